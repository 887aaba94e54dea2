"""Parquet: values of all types as texts; nested ones by their paths, see raw/structs.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from spark_jobs.contract.shop.paths import parse_path
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.block import Block, null_where, refuse_records
from spark_jobs.raw.format import FileColumns, RawFormat, judge_columns
from spark_jobs.raw.layout import Match, choose_layout
from spark_jobs.raw.objects import list_paths
from spark_jobs.raw.structs import find_nested, has_path, read_texts
from spark_jobs.raw.text import HEAD_BYTES, name_binary

MAGIC = b"PAR1"


class Parquet(RawFormat):
    def read_blocks(self, file_system: pa.fs.FileSystem, place: str, source: Source) -> Iterator[Block]:
        width = len(source.raw_columns)
        with file_system.open_input_file(place) as stream:
            if not stream.size():
                return
            file = pq.ParquetFile(stream)
            match, rows = _match(file.schema_arrow, source), file.metadata.num_rows
            fault = match.fault or ("file_too_large" if _count_bytes(file) > source.limits.file_bytes else None)
            if fault:
                yield from refuse_records(rows, fault, width)
                return
            names = [match.present[match.found[raw]] if raw in match.found else None for raw in source.raw_columns]
            try:
                for batch in file.iter_batches(columns=_list_roots(names, file.schema_arrow)):
                    yield _take_batch(batch, names)
                    rows -= len(batch)
            except (OSError, pa.ArrowException):
                if not rows:
                    raise
                yield from refuse_records(rows, "file_unreadable", width)

    def find_columns(self, file_system: pa.fs.FileSystem, place: str, source: Source, path: str) -> FileColumns:
        with file_system.open_input_file(place) as stream:
            if not stream.size():
                return FileColumns(path)
            head = stream.read(HEAD_BYTES)
            if not head.startswith(MAGIC) and (named := name_binary(head)):
                return FileColumns(path, problem=named)
            schema = pq.ParquetFile(stream).schema_arrow
        nested = find_nested(schema)
        match = _match(schema, source, nested)
        for name in (match.present[place] for place in match.found.values()):
            if schema.get_field_index(name) >= 0 and pa.types.is_nested(schema.field(name).type):
                inner = [one for one in nested if one.startswith((f"{name}.", f"{name}["))]
                return FileColumns(path, match, f"has several values in {name!r}: name one, like {inner[0]!r}")
        return replace(judge_columns(path, match, source), nested=dict.fromkeys(nested, ""))


def _match(schema: pa.Schema, source: Source, nested: list[str] | None = None) -> Match:
    """The file's columns, followed by its paths."""
    paths = [path.name for path in list_paths(source) if has_path(schema, path)]
    further = dict.fromkeys(name for name in (*paths, *(nested or [])) if name not in schema.names)
    return choose_layout([*schema.names, *further], source)


def _list_roots(names: list[str | None], schema: pa.Schema) -> list[str]:
    """The different top-level columns of these names."""
    paths = [name if name in schema.names else parse_path(name) for name in names if name]
    return list(dict.fromkeys(path if isinstance(path, str) else path.root for path in paths if path))


def _count_bytes(file: pq.ParquetFile) -> int:
    return sum(file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups))


def _take_batch(batch: pa.RecordBatch, names: list[str | None]) -> Block:
    texts = read_texts(batch, [name if name in batch.schema.names else parse_path(name or "") for name in names])
    count = len(texts[0])
    for column in texts:
        column.validate(full=True)  # Arrow does not validate UTF-8 when it reads
    columns = [null_where(column, "") for column in texts]
    return Block(columns, pa.nulls(count, pa.string()), pa.nulls(count, pa.binary()))


FORMAT = Parquet()
