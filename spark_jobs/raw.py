"""Reads raw files as numbered records: every record of a file gets a number, whatever is wrong with it.

A file is read front to back by one task, in constant memory. Keyed hashes are made here, so that what leaves this
module needs a raw customer id only to tell it to the warehouse.
"""

from __future__ import annotations

import csv
import hmac
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from spark_jobs.contract.shop import Source

BATCH_RECORDS = 16_384
HASH_HEX_DIGITS = 32  # 128 bits: no collision to fear below 2^60 records

#: delivery_id, the record's number in its file, what makes it unreadable (null: nothing), the keyed hash of the
#: customer id (null: none given), the keyed hash of the record, and the raw values in the order of raw_columns.
RECORD_SCHEMA = pa.schema(
    [
        ("delivery_id", pa.string()),
        ("record_number", pa.int64()),
        ("fault", pa.string()),
        ("customer_id", pa.string()),
        ("record_hash", pa.string()),
        ("raw", pa.list_(pa.string())),
    ]
)
RECORD_DDL = (
    "delivery_id string, record_number bigint, fault string, customer_id string, record_hash string, raw array<string>"
)
#: How the path of a file of mended records begins; see quarantine.py.
FIXED = "fixed:"
LONGEST_HEADER = 1 << 20  # characters
#: Faults that speak of the whole file: none of its records is used.
FILE_FAULTS = ("file_unreadable", "file_columns_missing")


class RawRecord(NamedTuple):
    """The values of the raw columns, or the fault and the text it was found in."""

    values: list[str | None] | None
    fault: str | None = None
    text: str = ""


@dataclass(frozen=True)
class Hasher:
    """The keyed hashes of one shop: HMAC-SHA-256, cut to 128 bits, apart by shop and purpose."""

    secret: bytes
    shop_name: str

    def __call__(self, purpose: str, text: str) -> str:
        message = "\x1f".join((self.shop_name, purpose, text)).encode("utf-8", "surrogateescape")
        return hmac.digest(self.secret, message, "sha256").hex()[:HASH_HEX_DIGITS]

    def __repr__(self) -> str:  # the secret must not reach a log
        return f"Hasher({self.shop_name})"


def open_folder(folder: str) -> tuple[pa.fs.FileSystem, str]:
    """The file system of a folder, given as path or URL, and the folder's path in it."""
    return pa.fs.FileSystem.from_uri(folder) if "://" in folder else (pa.fs.LocalFileSystem(), folder)


@dataclass(frozen=True)
class Intake:
    """Where the files of a log are: the source's folder, and the one of the records that somebody has mended."""

    source: Source
    folder: str
    fixes: str

    def locate(self, path: str) -> tuple[Source, str, str]:
        """How to read a delivery: the source, the folder and the file below it."""
        if not path.startswith(FIXED):
            return self.source, self.folder, path
        return replace(self.source, format="jsonl", encoding="utf-8"), self.fixes, path.removeprefix(FIXED)


def record_reader(intake: Intake, hasher: Hasher) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function for mapInArrow: batches of (delivery_id, path) in, batches of RECORD_SCHEMA out."""

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for delivery in batch.to_pylist():
                yield from read_delivery(*intake.locate(delivery["path"]), delivery["delivery_id"], hasher)

    return read


def read_records(intake: Intake, path: str) -> Iterator[RawRecord]:
    """The records of one delivery, the first is number 1."""
    return _read_records(*intake.locate(path))


def column_names(intake: Intake, path: str) -> list[str]:
    """The columns that a file says it has; none where it cannot be read. Of JSON lines, those of the first object."""
    source, folder, name = intake.locate(path)
    file_system, root = open_folder(folder)
    try:
        if source.format == "parquet":
            with file_system.open_input_file(f"{root}/{name}") as stream:
                return list(pq.ParquetFile(stream).schema_arrow.names)
        with _open_text(file_system, f"{root}/{name}", source, newline="") as text:
            if source.format == "csv":
                return next(csv.reader(text, delimiter=source.delimiter), [])
            return list(json.loads(text.readline(LONGEST_HEADER)))
    except (OSError, EOFError, ValueError, TypeError, pa.ArrowException, csv.Error):
        return []


def read_delivery(source: Source, folder: str, path: str, delivery_id: str, hasher: Hasher) -> Iterator[pa.RecordBatch]:
    """All records of one file, in batches."""
    customer_column = source.columns["customer_id"].column
    customer_at = source.raw_columns.index(customer_column) if customer_column else None
    hash_customer = lru_cache(100_000)(lambda text: hasher("customer", text))
    rows: list[tuple] = []
    for number, record in enumerate(_read_records(source, folder, path), start=1):
        customer = (record.values[customer_at] or "").strip() if record.values and customer_at is not None else ""
        content = json.dumps(record.values) if record.values else record.text
        rows.append(
            (delivery_id, number, record.fault, hash_customer(customer) if customer else None,
             hasher("record", content), record.values)
        )  # fmt: skip
        if len(rows) == BATCH_RECORDS:
            yield _to_batch(rows)
            rows = []
    if rows:
        yield _to_batch(rows)


def _to_batch(rows: list[tuple]) -> pa.RecordBatch:
    columns = [
        pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), RECORD_SCHEMA, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=RECORD_SCHEMA)


def _read_records(source: Source, folder: str, path: str) -> Iterator[RawRecord]:
    """The file's records; a file that cannot be read on ends with one record that says so."""
    reader = {"csv": _read_csv, "jsonl": _read_json_lines, "parquet": _read_parquet}[source.format]
    file_system, root = open_folder(folder)
    try:
        yield from reader(file_system, f"{root}/{path}", source)
    except (OSError, EOFError, UnicodeError, pa.ArrowException, csv.Error) as error:
        yield RawRecord(None, "file_unreadable", str(error))


def _open_text(file_system: pa.fs.FileSystem, path: str, source: Source, newline: str) -> io.TextIOBase:
    """The decompressed text; bytes that are not in the encoding arrive as surrogates, to be judged per record."""
    encoding = "utf-8-sig" if source.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else source.encoding
    stream = file_system.open_input_stream(path, compression="gzip" if path.endswith(".gz") else None)
    return io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline=newline)


def _is_decoded(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _missing_columns(present: Iterable[str], source: Source) -> RawRecord | None:
    missing = sorted(set(source.raw_columns) - set(present))
    return RawRecord(None, "file_columns_missing", ", ".join(missing)) if missing else None


def _read_csv(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[RawRecord]:
    with _open_text(file_system, path, source, newline="") as text:
        lines = csv.reader(text, delimiter=source.delimiter, strict=True)
        header = next(lines, [])
        if missing := _missing_columns(header, source):
            yield missing
            return
        places = [header.index(column) for column in source.raw_columns]
        while (record := _next_csv_record(lines, len(header), places)) is not None:
            yield record


def _next_csv_record(lines: Iterator[list[str]], width: int, places: list[int]) -> RawRecord | None:
    try:
        fields = next(lines, None)
    except csv.Error as error:
        return RawRecord(None, "csv_malformed", str(error))
    if fields is None:
        return None
    if not fields:
        return RawRecord(None, "line_empty")
    if len(fields) != width:
        return RawRecord(None, "fields_missing" if len(fields) < width else "fields_surplus", json.dumps(fields))
    if not all(map(_is_decoded, fields)):
        return RawRecord(None, "encoding_invalid", "\x1f".join(fields))
    return RawRecord([fields[place] or None for place in places])


def _read_json_lines(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[RawRecord]:
    # Only a line feed ends a record: a lone carriage return is content.
    with _open_text(file_system, path, source, newline="\n") as text:
        for line in text:
            yield _parse_json(line.rstrip("\r\n"), source.raw_columns)


def _parse_json(line: str, columns: tuple[str, ...]) -> RawRecord:
    if not line.strip():
        return RawRecord(None, "line_empty", line)
    if not _is_decoded(line):
        return RawRecord(None, "encoding_invalid", line)
    try:
        value = json.loads(
            line, parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError):
        return RawRecord(None, "json_malformed", line)
    if not isinstance(value, dict):
        return RawRecord(None, "json_not_an_object", line)
    values = [_as_text(value.get(column)) for column in columns]
    if not all(text is None or _is_decoded(text) for text in values):
        return RawRecord(None, "encoding_invalid", line)
    return RawRecord(values)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(value := dict(pairs)) != len(pairs):
        raise ValueError("a key is given twice")
    return value


def _as_text(value: object) -> str | None:
    """A JSON value as text; numbers keep their digits because they were never parsed."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value)


def _read_parquet(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[RawRecord]:
    with file_system.open_input_file(path) as stream:
        file = pq.ParquetFile(stream)
        if missing := _missing_columns(file.schema_arrow.names, source):
            yield missing
            return
        for batch in file.iter_batches(columns=list(source.raw_columns)):
            columns = [batch.column(name).cast(pa.string()).to_pylist() for name in source.raw_columns]
            for values in zip(*columns, strict=True):
                yield RawRecord([value or None for value in values])
