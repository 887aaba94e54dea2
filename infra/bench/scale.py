"""How do time and memory grow with the events, and what would a very large shop need?

    python -m infra.bench.scale [--events 300000 1000000 3000000] [--days 30]

Cleans, aggregates and puts into series so many events of 20,000 customers, in one warm session. Reported by job and
size: the events that `clean` and `customer_day` read, or the rows of customer_day that `customer_series` reads; CPU
seconds; peak memory; and the power to which CPU seconds grow with the records. At the rate of the largest size, the
core hours of a large shop's night are estimated: 10 billion new events, and a year's rows of 100 million customers who
come every day. An estimate assumes a power of 1, and that tasks on a cluster do not wait for each other.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from infra.bench.nights.results import fit_exponent
from infra.bench.session import open_bench
from infra.bench.skew import measure
from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command

NEW_EVENTS, HISTORY_ROWS = 10_000_000_000, 360 * 100_000_000
#: What each job of the large night reads.
READ_BY = {"clean": NEW_EVENTS, "customer_day": NEW_EVENTS, "customer_series": HISTORY_ROWS}


class Cost(NamedTuple):
    """What a job read, its CPU seconds, and its peak memory above the idle session's."""

    records: int
    cpu_seconds: float
    peak_bytes: int


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[300_000, 1_000_000, 3_000_000])
    parser.add_argument("--days", type=int, default=30)
    arguments = parser.parse_args(argv)
    costs = dict[str, list[Cost]]()
    with tempfile.TemporaryDirectory() as folder, open_bench(Path(folder)) as (spark, settings):
        measure(spark, settings, Path(folder), "even", 20_000, arguments.days, "warm")
        for events in sorted(arguments.events):
            name = f"even_{events}"
            found = measure(spark, settings, Path(folder), "even", events, arguments.days, name)
            rows = Lake(settings.lake(name)).dataset(CUSTOMER_DAY).count_rows()
            for job, (cpu, _, peak) in found.items():
                costs.setdefault(job, []).append(Cost(rows if job == "customer_series" else events, cpu, peak))
    Console(highlight=False).print(make_table(costs))


def make_table(costs: dict[str, list[Cost]]) -> Table:
    """A row for each job and size, from the smallest; growth and estimate stand in the row of the largest."""
    table = Table(title=f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}")
    for name in ("job", "records", "CPU s", "peak MB", "power", "CPU s per million", "core hours of a large night"):
        table.add_column(name, justify="left" if name == "job" else "right", no_wrap=name == "job")
    for job, sizes in costs.items():
        for cost in sizes[:-1]:
            table.add_row(job, *format_cost(cost))
        last, power = sizes[-1], fit_exponent({cost.records: cost.cpu_seconds for cost in sizes})
        hours = last.cpu_seconds * READ_BY[job] / last.records / 3600
        rate = last.cpu_seconds / last.records * 1e6
        table.add_row(job, *format_cost(last), f"{power:.2f}", f"{rate:.1f}", f"{hours:,.0f}")
    return table


def format_cost(cost: Cost) -> tuple[str, str, str]:
    return f"{cost.records:,}", f"{cost.cpu_seconds:.1f}", f"{cost.peak_bytes / 2**20:,.0f}"


if __name__ == "__main__":
    sys.exit(run_command(main))
