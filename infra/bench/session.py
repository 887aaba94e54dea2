"""What benchmarks of Spark jobs have in common: a session beside a warehouse of its own, and what work costs."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pyspark.sql import SparkSession

from infra.local import warehouse
from infra.local.embedded import EmbeddedPostgres
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.runtime.session import open_session


class Spent(NamedTuple):
    """Seconds by the clock, and of CPU by this process and those below it."""

    seconds: float
    cpu_seconds: float


@contextlib.contextmanager
def open_bench(folder: Path) -> Iterator[tuple[SparkSession, Settings]]:
    """A session, and settings with a home below the folder and an embedded warehouse that is up; both end."""
    settings = Settings(folder / "home", warehouse_url=EMBEDDED, id_key_hex="5a" * 32)
    warehouse.start(settings)
    try:
        spark = open_session("bench", settings)
        try:
            yield spark, settings
        finally:
            spark.stop()
    finally:
        EmbeddedPostgres(settings.home).stop()


def time_it(work: Callable[[], object]) -> Spent:
    begin, begin_cpu = time.perf_counter(), read_cpu_seconds()
    work()
    return Spent(time.perf_counter() - begin, read_cpu_seconds() - begin_cpu)


def read_cpu_seconds() -> float:
    """What this process and those below it, Spark and its Python workers, have used so far. Linux only."""
    used: dict[int, tuple[int, int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = file.read_text().rpartition(")")[2].split()
            used[int(file.parent.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    family = {os.getpid()}
    while grown := {process for process, (parent, _) in used.items() if parent in family} - family:
        family |= grown
    return sum(used[process][1] for process in family) / os.sysconf("SC_CLK_TCK")
