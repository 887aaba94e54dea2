"""Reads raw files as numbered records: every record of a file gets a number, whatever is wrong with it.

A file is read front to back by one task, in constant memory. Keyed hashes are made here, so that what leaves this
module needs a raw customer id only to tell it to the warehouse.

What is not a fault: a byte-order mark, CRLF, no line feed at the end, columns in another order, further columns, blanks
round a header name, numbers where text was and the other way round (the log's own rules judge the value), gzip under
any name, several gzip members in one file, nested JSON (it is text to the mapping). What each fault means and what to
do about it stands in contract/reasons.py; tests/spark_jobs/test_raw_kinds.py has a verdict for each kind of bad input.
"""

from __future__ import annotations

import csv
import hmac
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from spark_jobs.contract.shop import Limits, Source

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
#: Faults that speak of the whole file: none of its records is used.
FILE_FAULTS = (
    "file_unreadable", "file_columns_missing", "file_columns_repeated", "file_too_large", "file_ratio_exceeded",
)  # fmt: skip
GZIP_MAGIC = b"\x1f\x8b"
READ_BYTES = 1 << 20


class RawRecord(NamedTuple):
    """The values of the raw columns, or the fault and the text it was found in."""

    values: list[str | None] | None
    fault: str | None = None
    text: str = ""


class Hasher:
    """The keyed hashes of one shop: HMAC-SHA-256, cut to 128 bits, apart by shop and purpose."""

    def __init__(self, secret: bytes, shop_name: str):
        self.secret, self.shop_name = secret, shop_name

    def of(self, purpose: str) -> Callable[[str], str]:
        """The function that hashes texts for one purpose."""
        begun = hmac.new(self.secret, f"{self.shop_name}\x1f{purpose}\x1f".encode(), "sha256")

        def hash_text(text: str) -> str:
            keyed = begun.copy()
            keyed.update(text.encode("utf-8", "surrogateescape"))
            return keyed.hexdigest()[:HASH_HEX_DIGITS]

        return hash_text

    def __call__(self, purpose: str, text: str) -> str:
        return self.of(purpose)(text)

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
            line = text.readline(source.limits.record_characters)
            return _read_header(line, source) if source.format == "csv" else list(json.loads(line))
    except (OSError, EOFError, ValueError, TypeError, pa.ArrowException, csv.Error):
        return []


def _read_header(line: str, source: Source) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=source.delimiter), [])]


def read_delivery(source: Source, folder: str, path: str, delivery_id: str, hasher: Hasher) -> Iterator[pa.RecordBatch]:
    """All records of one file, in batches."""
    customer_column = source.columns["customer_id"].column
    customer_at = source.raw_columns.index(customer_column) if customer_column else None
    hash_customer, hash_record = lru_cache(100_000)(hasher.of("customer")), hasher.of("record")
    rows: list[tuple] = []
    for number, (values, fault, text) in enumerate(_read_records(source, folder, path), start=1):
        if values is None:
            customer, content = None, text
        else:
            customer, content = values[customer_at] if customer_at is not None else None, join_values(values)
        customer = customer.strip() if customer else None
        rows.append((number, fault, hash_customer(customer) if customer else None, hash_record(content), values))
        if len(rows) == BATCH_RECORDS:
            yield _to_batch(delivery_id, rows)
            rows = []
    if rows:
        yield _to_batch(delivery_id, rows)


def join_values(values: list[str | None]) -> str:
    """One text for a record's values, different for different values."""
    joined = "\x1f".join(["\x00" if value is None else value for value in values])
    if joined.count("\x1f") == len(values) - 1 and joined.count("\x00") == values.count(None):
        return joined
    return json.dumps(values)


def _to_batch(delivery_id: str, rows: list[tuple]) -> pa.RecordBatch:
    columns = [pa.repeat(pa.scalar(delivery_id), len(rows))]
    columns += [
        pa.array(values, field.type)
        for values, field in zip(zip(*rows, strict=True), list(RECORD_SCHEMA)[1:], strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=RECORD_SCHEMA)


def _read_records(source: Source, folder: str, path: str) -> Iterator[RawRecord]:
    """The file's records; a file that cannot be read on ends with one record that says so."""
    reader = {"csv": _read_csv, "jsonl": _read_json_lines, "parquet": _read_parquet}[source.format]
    file_system, root = open_folder(folder)
    try:
        yield from reader(file_system, f"{root}/{path}", source)
    except _FileRefusedError as refused:
        yield RawRecord(None, refused.fault, str(refused))
    except (OSError, EOFError, UnicodeError, pa.ArrowException, csv.Error) as error:
        yield RawRecord(None, "file_unreadable", str(error))


class _FileRefusedError(Exception):
    """A cap on the whole file is exceeded."""

    def __init__(self, fault: str, found: str):
        super().__init__(found)
        self.fault = fault


class _CappedStream(io.RawIOBase):
    """Counts the bytes that are read, and stops where they are more than a file may have."""

    def __init__(self, stream: pa.NativeFile, delivered_bytes: int, limits: Limits):
        self.stream, self.delivered_bytes, self.limits, self.read_bytes = stream, delivered_bytes, limits, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = self.stream.readinto(buffer)
        self.read_bytes += count
        if self.read_bytes > self.limits.file_bytes:
            raise _FileRefusedError("file_too_large", f"more than {self.limits.file_bytes} bytes")
        is_judged = self.read_bytes > self.limits.ratio_from_bytes
        if is_judged and self.read_bytes > self.limits.decompression_ratio * self.delivered_bytes:
            raise _FileRefusedError("file_ratio_exceeded", f"{self.read_bytes} bytes from {self.delivered_bytes}")
        return count

    def close(self) -> None:
        self.stream.close()
        super().close()


def _open_text(file_system: pa.fs.FileSystem, path: str, source: Source, newline: str) -> io.TextIOBase:
    """The decompressed text; bytes that are not in the encoding arrive as surrogates, to be judged per record."""
    encoding = "utf-8-sig" if source.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else source.encoding
    with file_system.open_input_file(path) as file:
        delivered_bytes, is_gzip = file.size(), file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    stream = file_system.open_input_stream(path, compression="gzip" if is_gzip else None)
    buffered = io.BufferedReader(_CappedStream(stream, delivered_bytes, source.limits), READ_BYTES)
    return io.TextIOWrapper(buffered, encoding=encoding, errors="surrogateescape", newline=newline)


def _is_decoded(text: str) -> bool:
    return text.isascii() or not _SURROGATE.search(text)


def _missing_columns(present: Iterable[str], source: Source) -> RawRecord | None:
    missing = sorted(set(source.raw_columns) - set(present))
    return RawRecord(None, "file_columns_missing", ", ".join(missing)) if missing else None


class _Lines:
    """The lines of a text for the csv reader; one that is too long is cut, and remembered as such."""

    def __init__(self, text: io.TextIOBase, limits: Limits):
        self.text, self.limits, self.was_cut = text, limits, False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.text.readline(self.limits.record_characters)
        if not line:
            raise StopIteration
        if len(line) == self.limits.record_characters and not line.endswith("\n"):
            _skip_line(self.text)
            self.was_cut = True
        return line


def _skip_line(text: io.TextIOBase) -> None:
    while (rest := text.readline(READ_BYTES)) and not rest.endswith("\n"):
        pass


def _read_csv(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[RawRecord]:
    csv.field_size_limit(source.limits.record_characters)
    with _open_text(file_system, path, source, newline="") as text:
        header = _read_header(text.readline(source.limits.record_characters), source)
        if missing := _missing_columns(header, source):
            yield missing
            return
        if repeated := [name for name in source.raw_columns if header.count(name) > 1]:
            yield RawRecord(None, "file_columns_repeated", ", ".join(repeated))
            return
        lines = _Lines(text, source.limits)
        records = csv.reader(lines, delimiter=source.delimiter, strict=True)
        places = [header.index(column) for column in source.raw_columns]
        while (record := _next_csv_record(records, len(header), places)) is not None:
            yield RawRecord(None, "record_too_long", record.text) if lines.was_cut else record
            lines.was_cut = False


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
    values = [fields[place] or None for place in places]
    if not _is_decoded("".join(fields)):
        return RawRecord(None, "encoding_invalid", "\x1f".join(fields))
    return RawRecord(values)


def _read_json_lines(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[RawRecord]:
    # Only a line feed ends a record: a lone carriage return is content.
    columns, longest, deepest = source.raw_columns, source.limits.record_characters, source.limits.nesting
    with _open_text(file_system, path, source, newline="\n") as text:
        while line := text.readline(longest):
            if len(line) == longest and not line.endswith("\n"):
                _skip_line(text)
                yield RawRecord(None, "record_too_long", line)
            else:
                yield _parse_json(line.rstrip("\r\n"), columns, deepest)


def _parse_json(line: str, columns: tuple[str, ...], deepest: int) -> RawRecord:
    if not line or line.isspace():
        return RawRecord(None, "line_empty", line)
    if not _is_decoded(line):
        return RawRecord(None, "encoding_invalid", line)
    if line.count("{") + line.count("[") > deepest and _depth(line) > deepest:
        return RawRecord(None, "json_too_deep", line)
    try:
        value = _JSON.decode(line)
    except (ValueError, RecursionError):
        return RawRecord(None, "json_malformed", line)
    if not isinstance(value, dict):
        return RawRecord(None, "json_not_an_object", line)
    values = [_as_text(value.get(column)) for column in columns]
    if "\\u" in line and not all(text is None or _is_decoded(text) for text in values):
        return RawRecord(None, "encoding_invalid", line)
    return RawRecord(values)


def _depth(line: str) -> int:
    """How deep the brackets of a JSON text nest."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", line)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(value := dict(pairs)) != len(pairs):
        raise ValueError("a key is given twice")
    return value


#: Numbers keep their digits because they are never parsed.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_without_repeats)
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(r"[\[\]{}]")


def _as_text(value: object) -> str | None:
    """A JSON value as text."""
    if isinstance(value, str):
        return value or None
    return None if value is None else json.dumps(value)


def _read_parquet(file_system: pa.fs.FileSystem, path: str, source: Source) -> Iterator[RawRecord]:
    with file_system.open_input_file(path) as stream:
        file = pq.ParquetFile(stream)
        if missing := _missing_columns(file.schema_arrow.names, source):
            yield missing
            return
        if sum(group.total_byte_size for group in map(file.metadata.row_group, range(file.num_row_groups))) > (
            source.limits.file_bytes
        ):
            raise _FileRefusedError("file_too_large", f"more than {source.limits.file_bytes} bytes")
        for batch in file.iter_batches(columns=list(source.raw_columns)):
            columns = [batch.column(name).cast(pa.string()).to_pylist() for name in source.raw_columns]
            for values in zip(*columns, strict=True):
                yield RawRecord([value or None for value in values])
