"""Frames that are computed once for several uses. On Spark it caches them.

Sail caches nothing, but it runs the functions of jobs in its own process. There the rows are kept in memory, by keys
that name the job's process: rows of a job that has ended are dropped when the next ones are kept.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from secrets import token_hex

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from spark_jobs.lake.frames import is_sail

TASKS = 8


@cache
def _find_machine() -> str:
    """Where a process id names one process."""
    with suppress(OSError):
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()


@dataclass(frozen=True)
class Key:
    """Names the rows of a frame, and the job's process."""

    name: str = field(default_factory=lambda: token_hex(8))
    process: int = field(default_factory=os.getpid)
    machine: str = field(default_factory=_find_machine)

    def is_in_use(self) -> bool:
        """Whether the process may need the rows. Sail sees only processes of its own machine."""
        if self.machine != _find_machine():
            return True
        try:
            os.kill(self.process, 0)
        except OSError as error:
            return not isinstance(error, ProcessLookupError)
        return True


#: In a job: the frames from `persist` and the keys of their rows.
_keys: dict[DataFrame, Key] = {}
#: In Sail's process: the rows by key.
_rows: dict[Key, list[pa.RecordBatch]] = {}


def persist(frame: DataFrame) -> DataFrame:
    """The same rows, computed once for all their uses, until `unpersist`."""
    spark = frame.sparkSession
    if not is_sail(spark):
        return frame.persist()
    key, ddl = Key(), ", ".join(f"`{name}` {kind}" for name, kind in frame.dtypes)
    frame.mapInArrow(lambda batches: _keep(key, batches), "kept long").collect()
    tasks = spark.range(0, TASKS, 1, TASKS)
    kept = tasks.mapInArrow(lambda batches: _read(key, TASKS, batches), ddl)
    _keys[kept] = key
    return kept


def unpersist(frame: DataFrame) -> None:
    """Frees the memory of rows from `persist`."""
    if not is_sail(frame.sparkSession):
        frame.unpersist()
    elif key := _keys.pop(frame, None):
        _drop(frame.sparkSession, key)


def unpersist_all(spark: SparkSession) -> None:
    """Frees the memory of all rows that this process has persisted, for tests that check many shops."""
    if not is_sail(spark):
        spark.catalog.clearCache()
    for key in list(_keys.values()):
        _drop(spark, key)
    _keys.clear()


def _drop(spark: SparkSession, key: Key) -> None:
    spark.range(1).mapInArrow(lambda batches: _drop_rows(key, batches), "kept long").collect()


@contextmanager
def kept(frame: DataFrame) -> Iterator[DataFrame]:
    """The same rows, computed once for all their uses."""
    rows = persist(frame)
    try:
        yield rows
    finally:
        unpersist(rows)


def _keep(key: Key, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Keeps the batches of a task under the key, beside those of other tasks; returns none."""
    for other in list(_rows):  # other tasks change it meanwhile
        if not other.is_in_use():
            _rows.pop(other, None)
    kept = _rows.setdefault(key, [])
    kept.extend(batch for batch in batches if len(batch))
    yield from ()


def _read(key: Key, tasks: int, numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The share of the kept batches that each of these task numbers has, of `tasks` in all."""
    for number in (number for batch in numbers for number in batch["id"].to_pylist()):
        yield from _rows[key][number::tasks]


def _drop_rows(key: Key, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    _rows.pop(key, None)
    yield from ()
