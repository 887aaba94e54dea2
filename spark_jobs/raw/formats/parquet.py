"""Parquet: values of any type, taken as text."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.block import Block, null_where, refuse_records
from spark_jobs.raw.format import FileColumns, RawFormat, judge_columns
from spark_jobs.raw.layout import choose_layout
from spark_jobs.raw.text import HEAD_BYTES, name_binary

MAGIC = b"PAR1"


class Parquet(RawFormat):
    def read_blocks(self, file_system: pa.fs.FileSystem, place: str, source: Source) -> Iterator[Block]:
        width = len(source.raw_columns)
        with file_system.open_input_file(place) as stream:
            if not stream.size():
                return
            file = pq.ParquetFile(stream)
            match, rows = choose_layout(file.schema_arrow.names, source), file.metadata.num_rows
            fault = match.fault or ("file_too_large" if _count_bytes(file) > source.limits.file_bytes else None)
            if fault:
                yield from refuse_records(rows, fault, width)
                return
            names = [match.present[match.found[raw]] if raw in match.found else None for raw in source.raw_columns]
            try:
                for batch in file.iter_batches(columns=list(dict.fromkeys(filter(None, names)))):
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
            match = choose_layout(pq.ParquetFile(stream).schema_arrow.names, source)
        return judge_columns(path, match, source)


def _count_bytes(file: pq.ParquetFile) -> int:
    return sum(file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups))


def _take_batch(batch: pa.RecordBatch, names: list[str | None]) -> Block:
    absent = pa.nulls(len(batch), pa.string())
    texts = [absent if name is None else null_where(batch.column(name).cast(pa.string()), "") for name in names]
    for column in texts:
        column.validate(full=True)  # Arrow reads text without a look at its bytes
    return Block(texts, absent, pa.nulls(len(batch), pa.binary()))


FORMAT = Parquet()
