"""How much time does Spark's class archive save? Starts a small job with it and without it, in turns.

    python -m infra.bench.spark_start [--runs 3]

CPU seconds are of the JVM, Python and its workers together; on a busy machine they are more reliable than the clock.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.local.environment import find_class_archives, make_environment
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.runtime.command import run_command

CODE = """
import sys, pathlib
from infra.local.class_archive import end_jvm, run_sample_job
from spark_jobs.contract.settings import Settings
from spark_jobs.runtime.session import open_session
folder = pathlib.Path(sys.argv[1])
spark = open_session("start", Settings(folder))
run_sample_job(spark, folder)
end_jvm(spark)
"""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args(argv)
    if not find_class_archives():
        raise MissingInputError("there is no class archive: run make spark")
    with_archive = make_environment()
    words = [word for word in with_archive["SPARK_SUBMIT_OPTS"].split() if "SharedArchiveFile" not in word]
    ways = {"with the archive": with_archive, "without": {**with_archive, "SPARK_SUBMIT_OPTS": " ".join(words)}}
    measured: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(arguments.runs):
        for way, environment in ways.items():
            measured[way].append(start_once(environment))
    table = Table("a small Spark job", "median s", "median processor s")
    for way, values in measured.items():
        clock, processor = (statistics.median(column) for column in zip(*values, strict=True))
        table.add_row(way, f"{clock:.1f}", f"{processor:.1f}")
    Console(highlight=False).print(table)


def start_once(environment: dict[str, str]) -> tuple[float, float]:
    """Wall-clock and CPU seconds of one start."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        child = os.spawnve(os.P_NOWAIT, sys.executable, [sys.executable, "-c", CODE, str(Path(folder))], environment)
        _, _, used = os.wait4(child, 0)
    return time.perf_counter() - begin, used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(run_command(main))
