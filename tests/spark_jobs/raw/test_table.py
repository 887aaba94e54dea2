"""CSV of programs and people: lines before the header and after the records, no header, other encodings."""

import pytest

from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.raw import reader as raw
from spark_jobs.raw.columns import inspect_file
from spark_jobs.raw.table import skip_last
from tests.spark_jobs.contract.shop.test_file import GOOD, write
from tests.spark_jobs.raw.test_formats import COLUMNS, GOOD_CSV, HEAD, OK, read

SKIP, EMPTY = ("line_skipped", None), ("line_empty", None)
NAMES = {"header": ("id", "at", "price")}
AUTO = {"finds_header": True}
TABS = (HEAD + GOOD_CSV).decode().replace(",", "\t")
#: name -> (content, options, verdicts of its records)
KINDS = {
    "no header": (GOOD_CSV * 2, NAMES, [OK, OK]),
    "no header, and a byte-order mark": (b"\xef\xbb\xbf" + GOOD_CSV, NAMES, [OK]),
    "no header, fields that nobody needs": (b"x,1,2,3,y\n", {"header": ("", "id", "at", "price", "")}, [OK]),
    "no header, lines before": (b"Report\n\n" + GOOD_CSV, NAMES | {"skip_lines": 2}, [SKIP, EMPTY, OK]),
    "fewer fields than the header that is given": (b"1,2\n" + GOOD_CSV, NAMES, [("fields_missing", None), OK]),
    "the header that is given stands in the file, too": (HEAD + GOOD_CSV, NAMES, [(None, ["at", "id", "price"]), OK]),
    "lines before the header": (b'"Report ""x"\n1,2,3\n' + HEAD + GOOD_CSV, {"skip_lines": 2}, [SKIP, SKIP, OK]),
    "fewer lines than are skipped": (b"Report\n", {"skip_lines": 2}, [SKIP]),
    "a header that is found": (b'Report of "today"\n\nfrom,to\n' + HEAD + GOOD_CSV, AUTO, [SKIP, EMPTY, SKIP, OK]),
    "blank lines before the header": (b"\xef\xbb\xbf\n  \n" + HEAD + b"\n" + GOOD_CSV, {}, [EMPTY] * 3 + [OK]),
    "names with line ends": (b'id,"At","Price\n"\n1,2,3\n', {}, [OK]),
    "names with line ends, below a line": (b'Report\n"id\n",at,"\n\nprice"\n1,2,3\n', {"skip_lines": 1}, [SKIP, OK]),
    "a header that is found at once": (HEAD + GOOD_CSV, AUTO, [OK]),
    "no header to be found": (b"a\nb\n1,2,3\n", AUTO, [("file_columns_missing", None)] * 2),
    "totals": (HEAD + GOOD_CSV + b"Total,,3\n", {"skip_last": 1}, [OK, SKIP]),
    "totals, thanks and blank lines": (
        HEAD + GOOD_CSV * 2 + b"\nTotal: 3\n , ,\n\nThank you\n\n\n", {"skip_last": 2},
        [OK, OK, EMPTY, SKIP, EMPTY, EMPTY, SKIP, EMPTY, EMPTY]),
    "fewer records than are skipped": (HEAD + b"Total,,0\n", {"skip_last": 3}, [SKIP]),
    "blank lines at the end": (HEAD + GOOD_CSV + b",,\n\n", {}, [OK, EMPTY, EMPTY]),
    "what Excel writes above the header": (b"sep=;\r\n" + (HEAD + GOOD_CSV).replace(b",", b";"), {}, [OK]),
    "the same in quotes, behind a mark": (
        b'\xef\xbb\xbf"sep=;"\n' + (HEAD + GOOD_CSV).replace(b",", b";"), {"delimiter": "\t"}, [OK]),
    "a mark in a file of another encoding": (b"\xef\xbb\xbf" + HEAD + GOOD_CSV, {"encoding": "cp1252"}, [OK]),
    "escaped quotation marks, and what MySQL writes for nothing": (
        HEAD + rb'''"a \"b\", c",2,3''' + b"\n\\N,2,\\N\n" + rb'''"d\\",2,"12\""''' + b"\n", {"escape": "\\"},
        [(None, ["2", 'a "b", c', "3"]), (None, ["2", None, None]), (None, ["2", "d\\", '12"'])]),
    "quotation marks that are doubled beside escaped ones": (
        HEAD + rb'''"a ""b"" \"c\"",2,3''' + b"\n", {"escape": "\\"}, [(None, ["2", 'a "b" "c"', "3"])]),
    **{f"{encoding} said, {written} written": (TABS.encode(written), {"encoding": encoding, "delimiter": "\t"}, [OK])
       for encoding, written in [("utf-16", "utf-16-le"), ("utf-16", "utf-16-be"), ("UTF_16", "utf-16"),
                                 ("utf-16-le", "utf-16"), ("utf-16-be", "utf-16-be"), ("utf-8", "utf-16")]},
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_line_has_its_verdict(tmp_path, name):
    content, options, verdicts = KINDS[name]
    assert read(tmp_path, "a.csv", content, "csv", **options) == verdicts
    source = Source("purchases", "", "*", "csv", COLUMNS, **options)
    problem = inspect_file(raw.Intake(source, str(tmp_path), ""), "a.csv").problem
    assert bool(problem) == any(fault == "file_columns_missing" for fault, _ in verdicts)


def test_skipped_last_lines_take_constant_memory():
    rows = skip_last(([str(number)] for number in range(10**9)), 2)
    assert [next(rows) for _ in range(3)] == [["0"], ["1"], ["2"]]


def test_a_file_without_a_header_gets_a_proposed_header(tmp_path):
    (tmp_path / "a.csv").write_text("17;2026-06-01;2.50\n18;2026-06-01;1.50\n")
    source = Source("purchases", "", "*", "csv", {name: ColumnMapping(name) for name in COLUMNS}, delimiter=";")
    problem = inspect_file(raw.Intake(source, str(tmp_path), ""), "a.csv").problem
    expected = "has no header, its first line is '17', '2026-06-01', '2.50': name its 3 columns by "
    assert problem == expected + 'header = ["…", "…", "…"]'


@pytest.mark.parametrize(
    "content",
    [
        b"Report\n\nid;at;price\n1;2;3\n", b"id;at;price\n1;2;3\n", b"id\tat\tprice\n1\t2\t3\n",
        b"x,y\nid,at,price\n1,2,3\n",
        (HEAD + GOOD_CSV).decode().encode("utf-16-le"), (HEAD + GOOD_CSV).decode().encode("utf-16-be"),
    ],
)  # fmt: skip
def test_the_proposed_settings_read_the_file(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    plain = GOOD.replace("Customer", "id").replace("At", "at").replace('"Price"', '"price"')
    source = load_shop(write(tmp_path, plain)).sources["purchases"]
    problem = inspect_file(raw.Intake(source, str(tmp_path), ""), "a.csv").problem
    setting = problem.partition("set ")[2].replace(" and ", "\n")
    text = plain.replace('format = "csv"', f'format = "csv"\n{setting}')
    intake = raw.Intake(load_shop(write(tmp_path, text)).sources["purchases"], str(tmp_path), "")
    assert inspect_file(intake, "a.csv").problem is None
    assert [record.values for record in raw.read_records(intake, "a.csv")][-1] == ["2", "1", "3"]


WIDE = (
    b"id,at,Item 1 Name,Item 1 Price,Item 10 Name,Item 10 Price,item_2_name\n"
    b"1,2,a,5,c,7,b\n"  # three items; the second has no price
    b"1,2,,0,c,7,\n"  # one that is none
    b"1,2,,,,0.00,\n"  # an order without items
    b"1,2,a\n"
)


def test_columns_that_are_repeated_by_number_are_a_record_for_each_item(tmp_path):
    names = {"customer_id": "id", "event_at": "at", "product_id": "Item {n} name", "unit_price": "Item {n} Price"}
    (tmp_path / "a.csv").write_bytes(WIDE)
    source = Source("purchases", "", "*", "csv", {name: ColumnMapping(column) for name, column in names.items()})
    intake = raw.Intake(source, str(tmp_path), "")
    assert source.raw_columns == ("Item {n} Price", "Item {n} name", "at", "id")
    assert [record.fault or record.values for record in raw.read_records(intake, "a.csv")] == [
        ["5", "a", "2", "1"], [None, "b", "2", "1"], ["7", "c", "2", "1"], ["7", "c", "2", "1"],
        [None, None, "2", "1"], "fields_missing",
    ]  # fmt: skip
    assert inspect_file(intake, "a.csv").problem is None
    (tmp_path / "b.csv").write_bytes(WIDE.replace(b"Price", b"Cost"))
    assert "has no column 'Item 1 Price'" in inspect_file(intake, "b.csv").problem


def test_without_quotes_a_quotation_mark_is_an_ordinary_character(tmp_path):
    lines = b'id\tat\tprice\n1\t"2\t3\n4\t5"\t6\n'
    assert read(tmp_path, "a.csv", lines, "csv", delimiter="\t", quotes=False) == [
        (None, ['"2', "1", "3"]), (None, ['5"', "4", "6"])]  # fmt: skip
