"""Every kind of malformed line or file has its stated verdict, and records after it still count."""

from __future__ import annotations

import gzip
import io
import random
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_jobs.contract.rejections import REASONS
from spark_jobs.contract.shop.source import ColumnMapping, Limits, Source
from spark_jobs.raw import reader as raw

COLUMNS = {"customer_id": ColumnMapping("id"), "event_at": ColumnMapping("at"), "unit_price": ColumnMapping("price")}
HASHER = raw.Hasher(b"k" * 32, "shop")
SMALL = Limits(record_characters=2000, nesting=8, file_bytes=200_000, decompression_ratio=50, ratio_from_bytes=20_000)


def read(folder, name, content: bytes, file_format, **options) -> list[tuple[str | None, list | None]]:
    """(fault, values in the order at, id, price) of every record; their numbers have no gap."""
    (folder / name).write_bytes(content)
    source = Source("purchases", str(folder), "*", file_format, COLUMNS, **options)
    batches = raw.read_delivery(source, str(folder), name, "d1", HASHER)
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [row["record_number"] for row in rows] == list(range(1, len(rows) + 1))
    records = list(raw.read_records(raw.Intake(source, str(folder), ""), name))
    assert [record.fault for record in records] == [row["fault"] for row in rows]
    return [(record.fault, record.values) for record in records]


OK = (None, ["2", "1", "3"])
GOOD_JSON = b'{"id": 1, "at": "2", "price": 3}\n'
#: name -> (line, its verdict: a fault, or the values)
JSON_KINDS: dict[str, tuple[bytes, str | list]] = {
    "numbers keep their digits": (b'{"id": 7, "at": "now", "price": 1.50}', ["now", "7", "1.50"]),
    "an exponent": (b'{"id": 7, "at": "now", "price": 1e2}', ["now", "7", "1e2"]),
    "a whole number beyond 64 bits": (b'{"id": 12345678901234567890123}', [None, "12345678901234567890123", None]),
    "null, empty and absent": (b'{"id": null, "at": "", "more": [1]}', [None, None, None]),
    "an empty object": (b"{}", [None, None, None]),
    "columns in another order": (b'{"price": 1, "at": "now", "id": 7}', ["now", "7", "1"]),
    "true and false": (b'{"id": true, "at": false, "price": 1}', ["false", "true", "1"]),
    "a text where a number was": (b'{"id": "7", "at": "now", "price": "1.50"}', ["now", "7", "1.50"]),
    "an object where a number was": (b'{"id": 7, "at": "now", "price": {"x": "1"}}', ["now", "7", '{"x": "1"}']),
    "escaped line ends within a text": (b'{"id": "a\\nb", "at": "now", "price": 1}', ["now", "a\nb", "1"]),
    "an escaped character": (b'{"id": "Zo\\u00eb", "at": "now", "price": 1}', ["now", "Zo\u00eb", "1"]),
    "a pair of surrogates": (b'{"id": "\\ud83d\\ude00", "at": "now", "price": 1}', ["now", "\U0001f600", "1"]),
    "spaces around": (b'  {"id": 7, "at": "now", "price": 1}  ', ["now", "7", "1"]),
    "CRLF": (b'{"id": 7, "at": "now", "price": 1}\r', ["now", "7", "1"]),
    "an empty line": (b"", "line_empty"),
    "a blank line": (b" \t ", "line_empty"),
    "an empty array": (b"[]", "json_not_an_object"),
    "an array of objects": (b'[{"id": 1}, {"id": 2}]', "json_not_an_object"),
    "a number": (b"3", "json_not_an_object"),
    "a text": (b'"id"', "json_not_an_object"),
    "null": (b"null", "json_not_an_object"),
    "not a number": (b'{"id": NaN}', "json_malformed"),
    "infinity": (b'{"id": -Infinity}', "json_malformed"),
    "two objects in a line": (b'{"id": 1}{"id": 2}', "json_malformed"),
    "two objects and a comma": (b'{"id": 1},{"id": 2}', "json_malformed"),
    "garbage behind": (b'{"id": 1} x', "json_malformed"),
    "garbage before": (b'x {"id": 1}', "json_malformed"),
    "a key given twice": (b'{"id": 1, "id": 2}', "json_malformed"),
    "a key given twice further down": (b'{"id": 1, "more": {"a": 1, "a": 2}}', "json_malformed"),
    "a cut line": (b'{"id": 1', "json_malformed"),
    "a cut text": (b'{"id": "1', "json_malformed"),
    "single quotes": (b"{'id': 1}", "json_malformed"),
    "a key without quotes": (b"{id: 1}", "json_malformed"),
    "a trailing comma": (b'{"id": 1,}', "json_malformed"),
    "a comment": (b'{"id": 1} // one', "json_malformed"),
    "a number with a leading zero": (b'{"id": 007}', "json_malformed"),
    "a number with a plus": (b'{"id": +7}', "json_malformed"),
    "a raw carriage return within a text": (b'{"id": "a\rb", "at": "now", "price": 1}', "json_malformed"),
    "a raw tab within a text": (b'{"id": "a\tb", "at": "now", "price": 1}', "json_malformed"),
    "a NUL byte": (b'{"id": "a\x00b"}', "json_malformed"),
    "an unknown escape": (b'{"id": "\\x41"}', "json_malformed"),
    "bytes that are not UTF-8": (b'{"id": "\xff"}', "encoding_invalid"),
    "half of a surrogate pair": (b'{"id": "\\ud800"}', "encoding_invalid"),
    "overlong UTF-8": (b'{"id": "\xc0\xaf"}', "encoding_invalid"),
    "nested too deep": (b'{"id": ' + b"[" * 9 + b"]" * 9 + b"}", "json_too_deep"),
    "brackets without end": (b"[" * 1900, "json_too_deep"),
    "brackets within a text": (b'{"id": "' + b"[" * 99 + b'", "at": "now", "price": 1}', ["now", "[" * 99, "1"]),
    "a line that is too long": (b'{"id": "' + b"x" * 5000 + b'"}', "record_too_long"),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON_KINDS)
def test_a_json_kind_has_its_verdict_and_the_next_line_still_counts(tmp_path, name):
    line, verdict = JSON_KINDS[name]
    expected = (verdict, None) if isinstance(verdict, str) else (None, verdict)
    found = read(tmp_path, "a.jsonl", GOOD_JSON + line + b"\n" + GOOD_JSON, "jsonl", limits=SMALL)
    assert found == [OK, expected, OK]
    assert expected[0] is None or expected[0] in REASONS


HEAD, GOOD_CSV = b"id,at,price\n", b"1,2,3\n"
CSV_KINDS: dict[str, tuple[bytes, str | list]] = {
    "plain": (b"7,now,1", ["now", "7", "1"]),
    "quotes, a delimiter and a line end within": (b'7,"a, ""b""\nc",1', ['a, "b"\nc', "7", "1"]),
    "a quoted CRLF": (b'7,"a\r\nb",1', ["a\r\nb", "7", "1"]),
    "an empty field": (b"7,,1", [None, "7", "1"]),
    "an empty quoted field": (b'7,"",1', [None, "7", "1"]),
    "spaces are content": (b"7, now ,1", [" now ", "7", "1"]),
    "a quote within an unquoted field": (b'7,5" pipe,1', ['5" pipe', "7", "1"]),
    "a NUL byte is content": (b"7,a\x00b,1", ["a\x00b", "7", "1"]),
    "an empty line": (b"", "line_empty"),
    "too few fields": (b"7,now", "fields_missing"),
    "a blank line": (b"   ", "line_empty"),
    "a line of delimiters": (b", ,", "line_empty"),
    "another delimiter": (b"7;now;1", "fields_missing"),
    "too many fields": (b"7,now,1,2", "fields_surplus"),
    "a decimal comma": (b"7,now,1,50", "fields_surplus"),
    "a quote that is not closed well": (b'"7"x,now,1', "csv_malformed"),
    "bytes that are not UTF-8": (b"\xff,now,1", "encoding_invalid"),
    "a record that is too long": (b"7," + b"x" * 5000 + b",1", "record_too_long"),
    "a quoted record that is too long": (b'7,"' + b"x" * 5000 + b'",1', "record_too_long"),
    "the header once more is a record": (b"id,at,price", ["at", "id", "price"]),
}


@pytest.mark.parametrize("name", CSV_KINDS)
def test_a_csv_kind_has_its_verdict_and_the_next_line_still_counts(tmp_path, name):
    line, verdict = CSV_KINDS[name]
    expected = (verdict, None) if isinstance(verdict, str) else (None, verdict)
    found = read(tmp_path, "a.csv", HEAD + GOOD_CSV + line + b"\n" + GOOD_CSV, "csv", limits=SMALL)
    assert found == [OK, expected, OK]
    assert expected[0] is None or expected[0] in REASONS


def test_an_unclosed_quote_swallows_at_most_the_length_of_a_field(tmp_path):
    lines = b'7,"open,1\n' + GOOD_CSV * 1000
    found = read(tmp_path, "a.csv", HEAD + GOOD_CSV + lines, "csv", limits=SMALL)
    assert found[:2] == [OK, ("csv_malformed", None)]
    assert set(map(str, found[2:])) == {str(OK)}
    swallowed = 1000 - len(found[2:])
    assert 0 < swallowed <= SMALL.record_characters / len(GOOD_CSV) + 1


def write_parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def parquet(**columns) -> bytes:
    return write_parquet(pa.table(columns))


THREE = {"id": ["1"], "at": ["2"], "price": ["3"]}
NESTED, BINARY = THREE | {"price": [{"x": 3}]}, THREE | {"id": [b"\xff"]}
NO_TEXT = THREE | {"at": pa.array([b"caf\xe9"]).view(pa.string())}
TWICE = pa.table([["1"]] * 4, ["id", "at", "price", "price"])
NO_ROWS = {name: pa.array([], pa.string()) for name in THREE}
RETYPED = {"id": pa.array([1], pa.int16()), "at": pa.array(["2"]).dictionary_encode(), "price": [Decimal("3")]}
ZOE = "Zo\u00eb,2,3\n".encode("cp1252")
ZIPPED = gzip.compress(HEAD + GOOD_CSV)
BOMB = gzip.compress(HEAD + (GOOD_CSV * 8) * 2000)
PQ = "parquet"
#: name -> (file name, format, content, options, verdicts of its records)
FILE_KINDS: dict[str, tuple] = {
    "plain": ("a.csv", "csv", HEAD + GOOD_CSV, {}, [OK]),
    "no line feed at the end": ("a.csv", "csv", HEAD + b"1,2,3", {}, [OK]),
    "a byte-order mark": ("a.csv", "csv", b"\xef\xbb\xbf" + HEAD + GOOD_CSV, {}, [OK]),
    "CRLF": ("a.csv", "csv", (HEAD + GOOD_CSV).replace(b"\n", b"\r\n"), {}, [OK]),
    "lone carriage returns": ("a.csv", "csv", (HEAD + GOOD_CSV).replace(b"\n", b"\r"), {}, [OK]),
    "UTF-16 as declared": ("a.csv", "csv", (HEAD + GOOD_CSV).decode().encode("utf-16"), {"encoding": "utf-16"}, [OK]),
    "UTF-16 that nobody declared": ("a.csv", "csv", (HEAD + GOOD_CSV).decode().encode("utf-16"), {}, [OK]),
    "cp1252 as declared": ("a.csv", "csv", HEAD + ZOE, {"encoding": "cp1252"}, [(None, ["2", "Zo\u00eb", "3"])]),
    "another delimiter as declared": ("a.csv", "csv", b"id;at;price\n1;2;3\n", {"delimiter": ";"}, [OK]),
    "another delimiter that nobody declared": ("a.csv", "csv", b"id;at;price\n1;2;3\n", {}, ["file_columns_missing"]),
    "further columns in another order": ("a.csv", "csv", b"more,price,at,id\nx,3,2,1\n", {}, [OK]),
    "blanks in the header": ("a.csv", "csv", b" id ,at, price\n1,2,3\n", {}, [OK]),
    "a dropped column": ("a.csv", "csv", b"id,at\n1,2\n", {}, ["file_columns_missing"]),
    "a column twice in the header": ("a.csv", "csv", b"id,at,price,at\n1,2,3,4\n", {}, ["file_columns_repeated"]),
    "a header alone": ("a.csv", "csv", HEAD, {}, []),
    "no byte at all, CSV": ("a.csv", "csv", b"", {}, []),
    "gzip of nothing, CSV": ("a.csv.gz", "csv", gzip.compress(b""), {}, []),
    "line ends alone": ("a.csv", "csv", b"\n\r\n\n", {}, []),
    "another header alone": ("a.csv", "csv", b"ID number,when\n", {}, []),
    "every record of a dropped column": ("a.csv", "csv", b"id,at\n" + b"1,2\n" * 3, {}, ["file_columns_missing"] * 3),
    "records with line ends in another delimiter": (
        "a.csv", "csv", b'id;at;price\n1;"2\n2";3\n1;2;3\n', {}, ["file_columns_missing"] * 2),
    "a header in another case": ("a.csv", "csv", b"ID,At,PRICE\n1,2,3\n", {}, [OK]),
    "a header in two cases": ("a.csv", "csv", b"ID,AT,Price,PRICE\n1,2,3,4\n", {}, ["file_columns_repeated"]),
    "a header in two cases, one of them right": ("a.csv", "csv", b"ID,AT,Price,price\n1,2,4,3\n", {}, [OK]),
    "a second byte-order mark": ("a.csv", "csv", b"\xef\xbb\xbf\xef\xbb\xbf" + HEAD + GOOD_CSV, {}, [OK]),
    "a delimiter that ends every line": ("a.csv", "csv", HEAD + b"1,2,3,\n1,2,3,\n", {}, [OK, OK]),
    "a delimiter that ends some lines": ("a.csv", "csv", HEAD + b"1,2,3,\n1,2,3\n", {}, ["fields_surplus", OK]),
    "a cut line where a delimiter ends the others": (
        "a.csv", "csv", HEAD + b"1,2,3,\n" * 100 + b"1,2,\n1,2,3,4\n", {},
        [OK] * 100 + ["fields_missing", "fields_surplus"]),
    "a zip archive": ("a.csv", "csv", b"PK\x03\x04\n\n\n", {}, ["file_unreadable"]),
    "a zip archive in gzip": ("a.csv", "csv", gzip.compress(b"PK\x03\x04\n\n"), {}, ["file_unreadable"]),
    "one JSON array": ("a.json", "jsonl", b'[\n  {"id": 1, "at": [{}], "price": "]"},\n  {"id": 2}\n]\n', {},
                       [(None, ["[{}]", "1", "]"]), (None, [None, "2", None])]),
    "one JSON array on a line": (
        "a.json", "jsonl", b'[{"id": 1, "at": {"\\\\\\"": "{"}}, {"id": 2, "at": 3}, {"id": 3, "price": 3} ]', {},
        [(None, ['{"\\\\\\"": "{"}', "1", None]), (None, ["3", "2", None]), (None, [None, "3", "3"])]),
    "an empty JSON array": ("a.json", "jsonl", b"[]\n", {}, []),
    "an empty array and an object": ("a.jsonl", "jsonl", b"[]\n" + GOOD_JSON, {}, ["json_not_an_object", OK]),
    "objects without a time": ("a.jsonl", "jsonl", b'{"id": 1, "when": 2}\n' * 2, {}, ["file_columns_missing"] * 2),
    "keys in another case": ("a.jsonl", "jsonl", b'{"ID": 1, "At": "2", "Price": 3}\n' + GOOD_JSON, {}, [OK, OK]),
    "keys that only some objects have": ("a.jsonl", "jsonl", b'{"at": 2, "price": 3}\n' + GOOD_JSON, {},
                                         [(None, ["2", None, "3"]), OK]),
    "many objects without a customer": ("a.jsonl", "jsonl", b'{"at": 2, "price": 3}\n' * 100, {},
                                        ["file_columns_missing"] * 100),
    "few objects without a customer": ("a.jsonl", "jsonl", b'{"at": 2, "price": 3}\n' * 9, {},
                                       [(None, ["2", None, "3"])] * 9),
    "no byte at all, JSON lines": ("a.jsonl", "jsonl", b"", {}, []),
    "no byte at all, Parquet": ("a.parquet", PQ, b"", {}, []),
    "Parquet without rows and with other columns": ("a.parquet", PQ, parquet(x=pa.array([], pa.string())), {}, []),
    "every row of a dropped column": ("a.parquet", PQ, parquet(id=["1"] * 3), {}, ["file_columns_missing"] * 3),
    "Parquet in another case": ("a.parquet", PQ, parquet(ID=["1"], at=["2"], Price=["3"]), {}, [OK]),
    "every row of a nested column": ("a.parquet", PQ, parquet(**{n: v * 3 for n, v in NESTED.items()}), {},
                                     ["file_unreadable"] * 3),
    "a tar archive": ("a.csv", "csv", HEAD.ljust(257, b"\0") + b"ustar", {}, ["file_unreadable"]),
    "a tar archive in gzip": ("a.tgz", "csv", gzip.compress(HEAD.ljust(257, b"\0") + b"ustar"), {},
                              ["file_unreadable"]),
    "an HTML page": ("a.csv", "csv", b"\n<HTML><table>", {}, ["file_unreadable"]),
    "an XML document as a workbook": ("a.xls", "xlsx", b"<?xml version='1.0'?>", {}, ["file_unreadable"]),
    "texts as formulas": ("a.csv", "csv", HEAD + b'="1","=""2""",3\n', {}, [OK]),
    "an empty text as a formula": ("a.csv", "csv", HEAD + b'="",=1+1,="\n', {}, [(None, ["=1+1", None, '="'])]),
    "objects beside each other on a line": ("a.json", "jsonl", GOOD_JSON.strip() * 3, {}, [OK] * 3),
    "values of MongoDB": ("a.json", "jsonl", b'{"id": {"$oid": "1"}, "at": {"$date": {"$numberLong": "2"}}, "price": '
                          b'{"$numberDecimal": "3"}}', {}, [OK]),
    "gzip": ("a.csv.gz", "csv", ZIPPED, {}, [OK]),
    "gzip under another name": ("a.csv", "csv", ZIPPED, {}, [OK]),
    "plain under the name of gzip": ("a.csv.gz", "csv", HEAD + GOOD_CSV, {}, [OK]),
    "two gzip members": ("a.csv.gz", "csv", ZIPPED + gzip.compress(GOOD_CSV), {}, [OK, OK]),
    "gzip of nothing": ("a.jsonl.gz", "jsonl", gzip.compress(b""), {}, []),
    "gzip with a broken checksum": ("a.csv.gz", "csv", ZIPPED[:-8] + b"\x00" * 8, {}, ["file_unreadable"]),
    "gzip and garbage behind": ("a.csv.gz", "csv", ZIPPED + b"garbage", {}, ["file_unreadable"]),
    "gzip's first two bytes alone": ("a.csv.gz", "csv", b"\x1f\x8b", {}, ["file_unreadable"]),
    "a gzip bomb": ("a.csv.gz", "csv", BOMB, {}, "file_ratio_exceeded"),
    "too large a file": ("a.csv", "csv", HEAD + GOOD_CSV * 40_000, {}, "file_too_large"),
    "Parquet": ("a.parquet", PQ, parquet(**THREE), {}, [OK]),
    "Parquet without rows": ("a.parquet", PQ, parquet(**NO_ROWS), {}, []),
    "Parquet with an added column": ("a.parquet", PQ, parquet(more=[[1]], **THREE), {}, [OK]),
    "Parquet with a dropped column": ("a.parquet", PQ, parquet(id=["1"], at=["2"]), {}, ["file_columns_missing"]),
    "Parquet with other types": ("a.parquet", PQ, parquet(**RETYPED), {}, [OK]),
    "Parquet with a nested column": ("a.parquet", PQ, parquet(**NESTED), {}, ["file_unreadable"]),
    "Parquet with bytes that are no text": ("a.parquet", PQ, parquet(**BINARY), {}, ["file_unreadable"]),
    "Parquet with text that is none": ("a.parquet", PQ, parquet(**NO_TEXT), {}, ["file_unreadable"]),
    "Parquet with a column given twice": ("a.parquet", PQ, write_parquet(TWICE), {}, ["file_columns_repeated"]),
    "Parquet that is cut": ("a.parquet", PQ, parquet(**THREE)[:-20], {}, ["file_unreadable"]),
    "not Parquet": ("a.parquet", PQ, b"PAR1 not really", {}, ["file_unreadable"]),
    "CSV under the name of Parquet": ("a.parquet", PQ, HEAD + GOOD_CSV, {}, ["file_unreadable"]),
    "Parquet where CSV is declared": ("a.csv", "csv", parquet(**THREE), {}, ["file_unreadable"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILE_KINDS)
def test_a_file_kind_has_its_verdict(tmp_path, name):
    file_name, file_format, content, options, verdicts = FILE_KINDS[name]
    found = read(tmp_path, file_name, content, file_format, limits=SMALL, **options)
    if isinstance(verdicts, str):  # good records, and then the end
        assert set(map(str, found[:-1])) <= {str(OK)}
        assert found[-1] == (verdicts, None)
    else:
        assert found == [(verdict, None) if isinstance(verdict, str) else verdict for verdict in verdicts]
    for fault, _ in found:
        assert fault is None or fault in REASONS


def test_there_are_at_least_as_many_kinds_as_promised():
    assert (len(JSON_KINDS) >= 28, len(CSV_KINDS) >= 15, len(FILE_KINDS) >= 15) == (True, True, True)


def test_a_hundred_thousand_fuzzed_lines_are_a_hundred_thousand_records(tmp_path):
    chance = random.Random(11)
    good = b'{"id": "c17", "at": "2024-05-01T10:00:00", "price": 12.50, "more": {"a": [1, 2]}}'
    lines = []
    for _ in range(100_000):
        line = bytearray(good)
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(line))
            cut = slice(place, place + chance.randrange(3))
            line[cut] = bytes(chance.randrange(256) for _ in range(chance.randrange(3)))
        lines.append(bytes(line).replace(b"\n", b" "))
    found = read(tmp_path, "fuzz.jsonl", b"\n".join(lines) + b"\n", "jsonl")
    assert len(found) == len(lines)
    is_whole = [line == good for line in lines]
    assert all(fault is None for (fault, _), whole in zip(found, is_whole, strict=True) if whole)
    assert 0.2 < sum(fault is None for fault, _ in found) / len(found) < 0.8
