"""What benchmarks of Spark jobs have in common: a session beside a warehouse of its own, and what work costs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pyspark.sql import SparkSession

from infra.bench.processes import read_cpu_seconds
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
    begin, begin_cpu = time.perf_counter(), sum(read_cpu_seconds())
    work()
    return Spent(time.perf_counter() - begin, sum(read_cpu_seconds()) - begin_cpu)
