"""Reads raw files as numbered records: every record of a file gets a number, valid or not.

One task reads a file from start to end, in constant memory. Customer ids are hashed here; later steps need raw ids only
to store them in the warehouse.

These are no faults: a byte-order mark, CRLF, a missing final line feed, columns in another order, additional columns,
blanks around header names, texts instead of numbers and vice versa (the log's rules judge the value), gzip under any
name, several gzip members in one file, nested JSON (a text to the mapping), column names in another spelling or of a
listed layout (layout.py), a delimiter at the end of every line, a file without records. All records of a refused file
are read and refused, so that the accounts show its size. contract/rejections.py explains each fault;
tests/spark_jobs/raw/test_formats.py has the expected result for each kind of bad input.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs

from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.archive import ARCHIVE_ERRORS, open_parts
from spark_jobs.raw.block import Block, RawRecord, make_block, null_where
from spark_jobs.raw.carry import carry_down
from spark_jobs.raw.format import format_of
from spark_jobs.raw.frequent import choose_frequent
from spark_jobs.raw.hashing import CustomerHashes, Hasher, get_hash_cache, hash_customers
from spark_jobs.raw.text import FileRefusedError

SEPARATOR, NOTHING = "\x1f", "\x00"  # the separator of joined values, and the mark of a missing value
ORDER_HASH = pa.field("order_hash", pa.string())  # after the raw values, if orders can change
IS_BOT = pa.field("is_bot", pa.bool_())  # the last column, if the source limits the events of an hour
#: delivery_id, the record's number in its file, its fault (null: none), the keyed hash of the customer id (null: none)
#: and the keyed hash of the record (null: not needed yet); then the raw values, see raw_column.
RECORD_SCHEMA = pa.schema(
    [
        ("delivery_id", pa.string()),
        ("record_number", pa.int64()),
        ("fault", pa.string()),
        ("customer_id", pa.string()),
        ("record_hash", pa.string()),
    ]
)
#: The prefix of the path of a file of corrected records; see quarantine.py.
FIXED = "fixed:"
#: The key of a corrected record with the place of the original: delivery and number.
MENDED_PLACE = "_place"
#: Faults of a whole file: none of its records is used.
FILE_FAULTS = (
    "file_unreadable", "file_columns_missing", "file_columns_repeated", "records_missing", "file_too_large",
    "file_ratio_exceeded",
)  # fmt: skip


#: A function for mapInArrow.
Reader = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def open_folder(folder: str) -> tuple[pa.fs.FileSystem, str]:
    """The file system of a folder (a path or URL), and the folder's path in it."""
    return pa.fs.FileSystem.from_uri(folder) if "://" in folder else (pa.fs.LocalFileSystem(), folder)


@dataclass(frozen=True)
class Intake:
    """Where the files of a log are: the source's folder and the folder of corrected records."""

    source: Source
    folder: str
    fixes: str

    def locate(self, path: str) -> tuple[Source, str, str]:
        """The source, the folder and the relative path to read a delivery with."""
        if not path.startswith(FIXED):
            return self.source, self.folder, path
        return (
            replace(self.source, format="jsonl", encoding="utf-8", records=None, members="*"),
            self.fixes,
            path.removeprefix(FIXED),
        )


def raw_column(source: Source, column: str) -> str:
    """The name of a raw column in record_schema."""
    return f"raw_{source.raw_columns.index(column)}"


def record_schema(source: Source) -> pa.Schema:
    """The schema of the reader's output. Raw values are trimmed; null if empty."""
    names = [raw_column(source, column) for column in source.raw_columns]
    last = [ORDER_HASH] if source.hashes_orders else []
    marks = [] if source.max_events_per_hour is None else [IS_BOT]
    return pa.schema([*RECORD_SCHEMA, *((name, pa.string()) for name in names), *last, *marks])


def record_ddl(source: Source) -> str:
    """record_schema as a Spark schema string."""
    names = {pa.string(): "string", pa.int64(): "bigint", pa.bool_(): "boolean"}
    return ", ".join(f"{field.name} {names[field.type]}" for field in record_schema(source))


def record_reader(
    intake: Intake,
    hasher: Hasher,
    chosen: Sequence[Sequence[tuple[str, str]]],
    bots: Mapping[str, Collection[str]],
    only_above: int | None = None,
) -> Reader:
    """The function for mapInArrow: numbers of tasks in, batches of record_schema out.

    chosen: the (delivery_id, path) of the files that each task reads. bots: the keys of customers by delivery_id.
    only_above: skips the records of customers with no more records than that in their file.
    """

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in (number for batch in batches for number in batch["id"].to_pylist()):
            for delivery_id, path in chosen[number]:
                place, marked = intake.locate(path), bots.get(delivery_id, ())
                read_file = partial(read_delivery, *place, delivery_id, hasher, marked)
                yield from read_file() if only_above is None else choose_frequent(read_file, only_above)

    return read


def read_records(intake: Intake, path: str) -> Iterator[RawRecord]:
    """The records of one delivery; the first has number 1."""
    for block in _read_blocks(*intake.locate(path)):
        yield from block.records()


def read_delivery(
    source: Source, folder: str, path: str, delivery_id: str, hasher: Hasher, bots: Collection[str] = ()
) -> Iterator[pa.RecordBatch]:
    """All records of one file, in batches. bots: the keys of customers."""
    schema, number = record_schema(source), 1
    known_hashes, hash_record = get_hash_cache(hasher), hasher.for_purpose("record")
    hash_order = hasher.for_purpose("order")
    for raw_block in _read_blocks(source, folder, path):
        block = _choose_customers(raw_block, source, known_hashes)
        size = len(block.fault)
        raw_values = [_trim(column) for column in block.columns]
        customers = hash_customers(_values_of(block.columns, source, "customer_id"), known_hashes)
        columns = [
            pa.repeat(pa.scalar(delivery_id), size),
            pa.array(np.arange(number, number + size)),
            block.fault,
            customers,
            _hash_records(block, _values_of(raw_values, source, "event_id").is_null(), hash_record),
            *raw_values,
            *([_hash_orders(block, raw_values, source, hash_order)] if source.hashes_orders else []),
            *([] if source.max_events_per_hour is None else [pc.is_in(customers, pa.array([*bots], pa.string()))]),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
        number += size


def _choose_customers(block: Block, source: Source, known_hashes: CustomerHashes) -> Block:
    """The block with customer ids from the first column that names a customer, if the source maps several."""
    mapping = source.columns.get("customer_id")
    if mapping is None or not mapping.others:
        return block
    places = [source.raw_columns.index(name) for name in (mapping.column, *mapping.others) if name]
    rows = zip(*(block.columns[place].to_pylist() for place in places), strict=True)
    chosen = [next((text for text in row if text is not None and known_hashes[text]), row[0]) for row in rows]
    columns = list(block.columns)
    columns[places[0]] = pa.array(chosen, pa.string())
    return block._replace(columns=columns)


def _values_of(columns: list[pa.Array], source: Source, name: str) -> pa.Array:
    """The raw values of a canonical column; null if it is a constant."""
    mapping = source.columns.get(name)
    if mapping is None or mapping.column is None:
        return pa.nulls(len(columns[0]), pa.string())
    return columns[source.raw_columns.index(mapping.column)]


def _hash_records(block: Block, has_no_id: pa.Array, hash_record: Callable[[bytes], str]) -> pa.Array:
    """The hashes of records that are faulty or have no id. Other records need one only if they are rejected, which is
    not known yet."""
    is_needed = pc.or_(block.fault.is_valid(), has_no_id)
    hashes = pa.array(map(hash_record, _contents(block.filter(is_needed)).to_pylist()), pa.string())
    return pc.replace_with_mask(pa.nulls(len(is_needed), pa.string()), is_needed, hashes)


def _hash_orders(
    block: Block, raw_values: list[pa.Array], source: Source, hash_order: Callable[[str], str]
) -> pa.Array:
    """The hash of each record's order; null if it names none."""
    keys = zip(*(raw_values[source.raw_columns.index(name)].to_pylist() for name in source.event_key), strict=True)
    faults = block.fault.to_pylist()
    hashes = (hash_order(join_values(key)) if any(key) and fault is None else None
              for key, fault in zip(keys, faults, strict=True))  # fmt: skip
    return pa.array(hashes, pa.string())


def _contents(block: Block) -> pa.Array:
    """The hashed text of each record: its joined values, or the faulty text."""
    joined = pc.binary_join_element_wise(*block.columns, SEPARATOR, null_handling="replace", null_replacement=NOTHING)
    separators = (len(block.columns) - 1) * len(joined)
    null_count = sum(column.null_count for column in block.columns)
    if _count(joined, SEPARATOR) != separators or _count(joined, NOTHING) != null_count:
        joined = pa.array([join_values(values) for values in zip(*(c.to_pylist() for c in block.columns), strict=True)])
    return pc.if_else(block.fault.is_valid(), block.text, joined.cast(pa.binary()))


def _count(texts: pa.Array, mark: str) -> int:
    return pc.sum(pc.count_substring(texts, mark)).as_py() or 0


def join_values(values: Sequence[str | None]) -> str:
    """A text that is unique for a record's values."""
    joined = SEPARATOR.join([NOTHING if value is None else value for value in values])
    if joined.count(SEPARATOR) == len(values) - 1 and joined.count(NOTHING) == values.count(None):
        return joined
    return json.dumps(values)


def _trim(column: pa.Array) -> pa.Array:
    return null_where(pc.ascii_trim(column, " "), "")


def _read_blocks(source: Source, folder: str, path: str) -> Iterator[Block]:
    """The file's records; if reading fails, the last one has the fault."""
    raw_format, (file_system, root) = format_of(source.format), open_folder(folder)
    width = len(source.raw_columns)
    try:
        with open_parts(raw_format, file_system, f"{root}/{path}", source) as parts:
            for part in parts:
                yield from carry_down(raw_format.read_blocks(part.file_system, part.place, source), source)
    except FileRefusedError as refused:
        yield make_block([RawRecord(None, refused.fault, str(refused))], width)
    except (OSError, EOFError, UnicodeError, pa.ArrowException, *ARCHIVE_ERRORS, *raw_format.errors) as error:
        yield make_block([RawRecord(None, "file_unreadable", str(error))], width)
