"""Does a night's customer_series cost the same however long the history is? With days, and with compacted months.

    python -m infra.bench.months [--customers 3000] [--days 180 360 720 1800] [--repeats 3]

Makes a customer_day of so many delivery days, with as many rows each day, of which few customers are still eligible in
the last 90 days, as in a shop whose customers come and go. Then builds the series of the night after it in one warm
session, alternately before and after a compaction. Reported: the median CPU seconds of all processes, the number of
files that are read, and the ratio to the shortest history. Every run checks that both give the same rows.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from infra.bench.session import open_bench, time_it
from infra.local.environment import ROOT
from spark_jobs import customer_series, maintain
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_DAY_MONTHS, CUSTOMER_SERIES
from spark_jobs.lake import run_folder, upkeep
from spark_jobs.lake.publishing import Pinned, publish
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command

NIGHT, SEED, LIFETIME_DAYS = date(2026, 3, 1), 7, 360
SHOP_FILE = ROOT / "infra" / "demo" / "simulated" / "shop.toml"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--customers", type=int, default=3_000, help="active on a day at most; each day a fifth of them"
    )
    parser.add_argument("--days", type=int, nargs="+", default=[180, 360, 720, 1800])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args(argv)
    shop, first = load_shop(SHOP_FILE), dict[str, float]()
    table = Table(title=f"customer_series of one night, {arguments.customers:,} customers at a time, warm")
    for name in ("days of history", "rows", "read from", "files", "CPU s", "times the shortest"):
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory() as name, open_bench(Path(name)) as (spark, _):
        for number, days in enumerate([min(arguments.days), *sorted(arguments.days)]):  # the first warms up
            lake = Lake(Path(name) / f"lake{number}")
            rows = fill(lake, arguments.customers, days)
            for kind, (files, cpu) in measure(spark, lake, shop, arguments.repeats).items():
                if number:
                    ratio = cpu / first.setdefault(kind, cpu)
                    table.add_row(f"{days:,}", f"{rows:,}", kind, f"{files:,}", f"{cpu:.2f}", f"{ratio:.2f}")
    Console(highlight=False).print(table)


def measure(spark: SparkSession, lake: Lake, shop: Shop, repeats: int) -> dict[str, tuple[int, float]]:
    """What is read -> its number of files, and the median CPU seconds of the job."""
    build = partial(customer_series.run, lambda: spark, lake, shop, NIGHT, CUSTOMER_SERIES, is_forced=True)
    found, results = dict[str, tuple[int, float]](), list[pa.Table]()
    for kind in ("days", "months"):
        if kind == "months":
            maintain.compact(lake, NIGHT, is_dry_run=False)
        files = count_files(lake)
        cpu = statistics.median(time_it(build).cpu_seconds for _ in range(repeats))
        results.append(lake.arrow(CUSTOMER_SERIES, [str(NIGHT)]).sort_by("customer_id"))
        found[kind] = files, cpu
    if results[0] != results[1] or not len(results[0]):
        raise ChurnError("the series from days and from months differ")
    upkeep.clear(lake, CUSTOMER_SERIES, [str(NIGHT)])
    return found


def count_files(lake: Lake) -> int:
    months = lake.partitions(CUSTOMER_DAY_MONTHS) if lake.version(CUSTOMER_DAY_MONTHS) is not None else {}
    days = [files for day, files in lake.partitions(CUSTOMER_DAY).items() if day[:7] not in months]
    return sum(map(len, [*days, *months.values()]))


def fill(lake: Lake, customers: int, days: int) -> int:
    """Publishes the days of customer_day; returns the number of rows. A customer comes on a random day, and leaves."""
    chance, schema = np.random.default_rng(SEED), arrow_schema(CUSTOMER_DAY)
    generation = customers * (np.arange(days) // LIFETIME_DAYS)  # customers are replaced by others
    written = 0

    def write(folder) -> None:
        nonlocal written
        paths = list[str]()
        for number in range(days):
            day = NIGHT - timedelta(days - number)
            who = generation[number] + np.flatnonzero(chance.random(customers) < 0.2)
            rows = make_rows(schema, [f"{one:032x}" for one in who], day)
            paths += run_folder.write_partition(folder, CUSTOMER_DAY, rows)
            written += len(rows)
        run_folder.finish(folder, paths)

    keys = {str(NIGHT - timedelta(n + 1)): f"bench {days}" for n in range(days)}
    publish(Pinned.at(lake.folder(CUSTOMER_DAY), CUSTOMER_DAY, keys), write)
    return written


def make_rows(schema: pa.Schema, customers: list[str], day: date) -> pa.Table:
    """One of everything for each customer, but for refunds, which would undo the sale."""
    given = {"customer_id": pa.array(customers), "event_day": pa.repeat(pa.scalar(day), len(customers)),
             "delivery_day": pa.repeat(pa.scalar(day), len(customers))}  # fmt: skip
    for column in CUSTOMER_DAY.columns:
        if column.name not in given:
            is_set = column.default == ()
            value = pa.scalar([] if is_set else int(column.name != "refund"), schema.field(column.name).type)
            given[column.name] = pa.repeat(value, len(customers))
    return pa.table([given[name] for name in schema.names], schema)


if __name__ == "__main__":
    sys.exit(run_command(main))
