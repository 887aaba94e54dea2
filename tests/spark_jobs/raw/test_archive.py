"""Zip archives: their members are one file of records; unreadable ones are refused in one line."""

import gzip
import io
import zipfile

import pyarrow as pa
import pytest

from spark_jobs.contract.shop.source import Source
from spark_jobs.raw import reader as raw
from spark_jobs.raw.columns import inspect_file
from tests.spark_jobs.raw.test_formats import COLUMNS, GOOD_CSV, GOOD_JSON, HEAD, OK, SMALL, THREE, read, write_parquet

TWO = (None, ["now", "2", "5"])
OTHER = b"price,id,at\n5,2,now\n"


def pack(members: dict[str, bytes], method=zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def encrypt(content: bytes) -> bytes:
    """The archive with members flagged as encrypted."""
    places = [content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8]
    changed = bytearray(content)
    for place in places:
        changed[place] |= 1
    return bytes(changed)


ONE = pack({"orders.csv": HEAD + GOOD_CSV})
DAMAGED = ONE.replace(GOOD_CSV, b"9,9,9\n")
LOST = [("file_unreadable", None)]
LITTER = {"a/": b"", "__MACOSX/b.csv": b"x", ".DS_Store": b"x", "c.csv": b""}
MEMBERS = {"b.csv": HEAD + GOOD_CSV, "a/x.csv.gz": gzip.compress(OTHER), **LITTER}
#: name -> (content, format, options, verdicts of its records, the reported problem)
KINDS = {
    "one member": (ONE, "csv", {}, [OK], None),
    "several, by name, without folders and litter": (pack(MEMBERS), "csv", {}, [TWO, OK], None),
    "members that are chosen": (pack({"orders.csv": HEAD + GOOD_CSV, "items.csv": b"x\n1\n"}), "csv",
                                {"members": "orders*.csv"}, [OK], None),
    "members that are not there": (ONE, "csv", {"members": "x*"}, LOST, "its members are 'orders.csv': correct"
                                                                        " members"),
    "a member with other columns": (pack({"a.csv": HEAD + GOOD_CSV, "b.csv": b"x\n1\n"}), "csv", {},
                                    [OK, ("file_columns_missing", None)], "member b.csv has no column"),
    "JSON": (pack({"a.jsonl": GOOD_JSON * 2, "b.json": b"[" + GOOD_JSON + b"]"}), "jsonl", {}, [OK] * 3, None),
    "members without a byte": (pack({"a.csv": b""}), "csv", {}, [], None),
    "no member": (pack({}), "csv", {}, LOST, "is a zip archive of nothing"),
    "another archive within": (pack({"a.csv": HEAD, "b.zip": ONE}), "csv", {}, LOST, "b.zip is a zip archive: unpack"),
    "a member that is encrypted": (encrypt(ONE), "csv", {}, LOST, "has the encrypted member orders.csv"),
    "an archive that is cut": (ONE[:-9], "csv", {}, LOST, "is cut or broken: deliver it again"),
    "a member without a name": (ONE.replace(b"orders.csv", b"\0" * 10), "csv", {}, LOST, "is cut or broken"),
    "a member whose bytes have changed": (
        pack({"a.csv": HEAD + GOOD_CSV}, zipfile.ZIP_STORED).replace(GOOD_CSV, b"9,9,9\n"), "csv", {}, LOST, None),
    "too large": (pack({"a.csv": HEAD + GOOD_CSV * 20_000, "b.csv": HEAD + GOOD_CSV * 20_000}), "csv", {},
                  [("file_too_large", None)], None),
    "too large for what was delivered": (pack({"a.csv": HEAD + GOOD_CSV * 10_000}), "csv", {},
                                         [("file_ratio_exceeded", None)], None),
    "an archive of Parquet": (pack({"a": write_parquet(pa.table(THREE))}), "parquet", {}, LOST, "is a zip archive"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_the_records_of_an_archive_are_those_of_its_members(tmp_path, name):
    content, file_format, options, verdicts, problem = KINDS[name]
    assert read(tmp_path, "a.zip", content, file_format, limits=SMALL, **options)[-len(verdicts) or None :] == verdicts
    source = Source("purchases", "", "*", file_format, COLUMNS, limits=SMALL, **options)
    problem = inspect_file(raw.Intake(source, str(tmp_path), ""), "a.zip").problem
    assert problem is None or problem in problem
