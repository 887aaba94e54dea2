"""Reading raw files: every record gets a number and a verdict, and no record is lost."""

import csv
import gzip
import io
import json
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_jobs.contract.customer_ids import CustomerIds
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.raw import hashing
from spark_jobs.raw import reader as raw
from spark_jobs.raw.hashing import Hasher

COLUMNS = {"customer_id": ColumnMapping("id"), "event_at": ColumnMapping("at"), "unit_price": ColumnMapping("price")}
HASHER = Hasher(b"k" * 32, "shop")


def read(folder, name, content: bytes, file_format="csv", **options):
    """(number, fault, values in the order at, id, price) of every record."""
    (folder / name).write_bytes(content)
    source = Source("purchases", str(folder), "*", file_format, COLUMNS, **options)
    rows = [r for batch in raw.read_delivery(source, str(folder), name, "d1", HASHER) for r in batch.to_pylist()]
    records = list(raw.read_records(raw.Intake(source, str(folder), ""), name))
    assert [record.fault for record in records] == [r["fault"] for r in rows]
    return [(r["record_number"], r["fault"], record.values) for r, record in zip(rows, records, strict=True)]


HEAD = b"id,at,price\n"


def test_csv_in_another_encoding_and_with_another_delimiter(tmp_path):
    found = read(tmp_path, "a.csv", "id;at;price\nZoë;now;1\n".encode("cp1252"), delimiter=";", encoding="cp1252")
    assert found == [(1, None, ["now", "Zoë", "1"])]


def test_a_concatenated_file_has_further_headers_for_the_records_after_them(tmp_path):
    files = [b"id,at,price\n1,now,2\n", b"price,id,at\n4,3,then\n", b"id,vat,at,price\n5,9,late,6\n"]
    headers_and_records = read(tmp_path, "a.csv", b"".join(files) + files[1] * 2000)
    assert [values for _, fault, values in headers_and_records if fault is None][:4] == [
        ["now", "1", "2"], ["id", "price", "at"], ["then", "3", "4"], ["late", "5", "6"],
    ]  # fmt: skip
    assert headers_and_records[-1] == (4005, None, ["then", "3", "4"])
    assert [fault for _, fault, _ in headers_and_records if fault] == ["fields_surplus", "fields_missing"]


def test_gzip_gives_the_same_records_and_a_cut_file_is_refused(tmp_path):
    content = HEAD + b"".join(b"%d,now,1\n" % n for n in range(50_000))
    packed = gzip.compress(content)
    assert read(tmp_path, "a.csv.gz", packed) == read(tmp_path, "a.csv", content)
    cut = read(tmp_path, "b.csv.gz", packed[: len(packed) // 2])
    assert cut[-1][1] == "file_unreadable"
    assert [number for number, _, _ in cut] == list(range(1, len(cut) + 1))


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_a_missing_or_mislabelled_file_is_one_faulty_record(tmp_path, file_format):
    source = Source("purchases", str(tmp_path), "*", file_format, COLUMNS)
    missing = [r for b in raw.read_delivery(source, str(tmp_path), "none", "d", HASHER) for r in b.to_pylist()]
    assert [r["fault"] for r in missing] == ["file_unreadable"]
    assert [fault for _, fault, _ in read(tmp_path, "x.parquet", b"PAR1 not really", "parquet")] == ["file_unreadable"]


def test_parquet_types_become_the_texts_that_csv_would_have(tmp_path):
    table = pa.table(
        {
            "id": pa.array([7, None], pa.int32()),
            "at": pa.array([datetime(2011, 9, 6, 8, 34), None], pa.timestamp("ns")),
            "price": pa.array([2.55, 0.1], pa.float64()),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    assert read(tmp_path, "a.parquet", sink.getvalue(), "parquet") == [
        (1, None, ["2011-09-06 08:34:00.000000000", "7", "2.55"]),
        (2, None, [None, None, "0.1"]),
    ]


def test_the_hash_is_known_keyed_and_apart_by_shop_and_purpose():
    import hashlib
    import hmac

    known = hmac.new(b"k" * 32, b"shop\x1fcustomer\x1f17850", hashlib.sha256).hexdigest()[:32]
    assert HASHER("customer", "17850") == known
    others = {
        Hasher(b"j" * 32, "shop")("customer", "17850"),
        Hasher(b"k" * 32, "other")("customer", "17850"),
        HASHER("record", "17850"),
    }
    assert known not in others
    assert "kkk" not in repr(HASHER)


def test_customer_hashes_are_right_beyond_the_size_of_the_cache(monkeypatch):
    monkeypatch.setattr(hashing, "CACHED_CUSTOMERS", 2)
    known = hashing.CustomerHashes(HASHER)
    for ids in (["a", " b", None, "a"], ["b", "c", "\t"], ["a", "d", "e"]):
        expected = [HASHER("customer", i.strip()) if i and i.strip() else None for i in ids]
        assert hashing.hash_customers(pa.array(ids, pa.string()), known).to_pylist() == expected
        assert len(known) <= 5


def test_equal_records_have_equal_hashes_whatever_the_format(tmp_path):
    (tmp_path / "a.csv").write_bytes(HEAD + b"7,now,1\n")
    (tmp_path / "a.jsonl").write_bytes(b'{"id":7,"at":"now","price":1}\n')
    hashes = set()
    for name, file_format in (("a.csv", "csv"), ("a.jsonl", "jsonl")):
        source = Source("purchases", str(tmp_path), "*", file_format, COLUMNS)
        (batch,) = raw.read_delivery(source, str(tmp_path), name, "d", HASHER)
        hashes |= set(zip(batch["record_hash"].to_pylist(), batch["customer_id"].to_pylist(), strict=True))
    assert len(hashes) == 1


field = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(field, field, field), max_size=20))
def test_csv_records_survive_a_round_trip(tmp_path, rows):
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "at", "price"])
    writer.writerows(rows)
    found = read(tmp_path, "p.csv", text.getvalue().encode())
    assert found == [
        (n, None, [at or None, i or None, p or None]) if "".join([i, at, p]).strip() else (n, "line_empty", None)
        for n, (i, at, p) in enumerate(rows, 1)
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), file_format=st.sampled_from(["csv", "jsonl", "parquet"]))
def test_any_bytes_give_records_numbered_without_gaps(tmp_path, content, file_format):
    found = read(tmp_path, "f", content, file_format)
    assert [number for number, _, _ in found] == list(range(1, len(found) + 1))
    assert all((fault is None) == (values is not None) for _, fault, values in found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.one_of(st.just({"id": "1", "at": "2", "price": "3"}), st.text(max_size=5)), max_size=20))
def test_every_line_of_a_json_file_is_one_record(tmp_path, lines):
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    found = read(tmp_path, "p.jsonl", content, "jsonl")
    assert len(found) == len(lines)
    assert sum(fault is None for _, fault, _ in found) == sum(isinstance(line, dict) for line in lines)


def test_a_guest_is_identified_by_the_first_column_with_a_value(tmp_path):
    lines = ["7,A@x.org,1", "0,B@x.org,2", ",b@x.org ,3", "NULL,,4", "0,none,5"]
    (tmp_path / "a.csv").write_text("\n".join(["id,mail,price", *lines]) + "\n")
    columns = {"customer_id": ColumnMapping("id", others=("mail",)), "unit_price": ColumnMapping("price")}
    source = Source("purchases", "", "*", "csv", columns)
    hasher = Hasher(b"k" * 32, "shop", CustomerIds("case-insensitive", no_customer=("0",)))
    rows = [r for batch in raw.read_delivery(source, str(tmp_path), "a.csv", "d", hasher) for r in batch.to_pylist()]
    keys = [hasher.customer_key(name) for name in ("7", "b@x.org")]
    assert [row["customer_id"] for row in rows] == [keys[0], keys[1], keys[1], None, None]
    chosen = [row[raw.raw_column(source, "id")] for row in rows]  # the id that identity.customers has for the key
    assert chosen == ["7", "B@x.org", "b@x.org", "NULL", "0"]


def test_order_hashes_depend_on_the_number_and_the_shop(tmp_path):
    (tmp_path / "a.csv").write_text("id,mail,price\n7,x,1\n7 ,y,2\n8,x,3\n,x,4\nbroken\n")
    columns = {"customer_id": ColumnMapping("mail"), "unit_price": ColumnMapping("price")}
    source = Source("purchases", "", "*", "csv", columns, event_key=("id",), updates="latest")

    def hash_orders(secret: bytes, columns=source.columns):
        one, hasher = replace(source, columns=columns), Hasher(secret, "shop")
        batches = raw.read_delivery(one, str(tmp_path), "a.csv", "d", hasher)
        return [row.get("order_hash") for batch in batches for row in batch.to_pylist()]

    first, second, third, *nothing = hash_orders(b"k" * 32)
    assert first == second != third
    assert nothing == [None, None]
    assert hash_orders(b"j" * 32)[0] != first
    assert hash_orders(b"k" * 32, {**columns, "event_id": ColumnMapping("price")})[0] == first
