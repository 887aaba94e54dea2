"""quotes = false is proposed only if quotation marks in texts lose lines."""

import pytest

from spark_jobs.checking.stray_quotes import count_lost, read_file
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.raw.reader import Intake, read_records

COLUMNS = {name: ColumnMapping(name) for name in ("id", "text", "price")}
#: The lines of a file, and how many of them are rejected or joined with quoted fields.
FILES = {
    "a field begins with a quotation mark": (['1\t"Deluxe" chair\t5', "2\tb\t6"], 1),
    "one opens and another closes, with as many fields as the header": (['1\t"Chair\t5', "2\tb\t6", '3\t12"\t7'], 2),
    "one opens and none closes": (['1\t"Chair\t5', "2\tb\t6", "3\tc\t7"], 3),
    "within a text": (['1\t12" pipe\t5', "2\tb\t6"], 0),
    "quoted fields with tabs and line ends": (['1\t"a\tb"\t5', '2\t"c\nd"\t6', "3\te\t7"], 0),
    "all fields are quoted, one badly": (['"1"\t"a"\t"5"', '"2"\t"12" pipe"\t"6"', '"3"\t"c"\t"7"'], 0),
    "none": (["1\ta\t5"], 0),
}


@pytest.mark.parametrize("name", FILES)
def test_lines_lost_to_stray_quotes_are_counted(tmp_path, name):
    lines, lost = FILES[name]
    (tmp_path / "a.txt").write_text("\n".join(["id\ttext\tprice", *lines]) + "\n")
    quoted, unquoted = (
        Intake(
            Source("purchases", str(tmp_path), "*", "csv", COLUMNS, delimiter="\t", quotes=quotes), str(tmp_path), ""
        )
        for quotes in (True, False)
    )
    assert count_lost(read_file(quoted, "a.txt"), read_file(unquoted, "a.txt")) == lost
    if lost:
        assert [record.values for record in read_records(unquoted, "a.txt")] == [
            [line.split("\t")[0], line.split("\t")[2], line.split("\t")[1]] for line in lines
        ]
