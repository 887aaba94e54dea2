"""Measures what skew costs: the same number of events, evenly spread and not.

    python -m infra.bench.skew [--events 1000000] [--days 30]

even      events spread over customers and days
customer  half of all events are one customer's
day       half of all events are one day's, in one file
late      half of every day's events are delivered with the next day's

Each is a shop of its own, whose days are cleaned, aggregated and put into series in one run. Reported by job: the CPU
seconds of all processes, their peak memory beside that of the idle session, and the CPU as a multiple of `even`. Every
run checks that no event is lost: the events of customer_day are those written.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from infra.bench.processes import MemorySampler, read_memory_bytes
from infra.bench.session import open_bench, time_it
from spark_jobs import clean, customer_day, customer_series
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command
from spark_jobs.warehouse.connection import connect

SHAPES = ("even", "customer", "day", "late")
FIRST_DAY, CUSTOMERS, SEED = date(2025, 6, 1), 20_000, 7
SHOP = """
name = "{name}"
time_zone = "Europe/Berlin"
currency = "EUR"
[sources.purchases]
location = "{name}"
files = "*.csv"
format = "csv"
delivery_day = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'
[sources.purchases.columns]
event_id = "id"
customer_id = "customer"
event_at = {{ column = "at", format = "yyyy-MM-dd HH:mm:ss" }}
product_id = "sku"
amount = "total"
"""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30)
    arguments = parser.parse_args(argv)
    table = Table(title=f"{arguments.events:,} events of {arguments.days} days")
    for name in ("shape", "job", "CPU s", "times even", "s", "peak MB"):
        table.add_column(name, justify="left" if name in ("shape", "job") else "right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        even: dict[str, float] = {}
        with open_bench(folder) as (spark, settings):
            measure(spark, settings, folder, "warm", min(arguments.events, 20_000), arguments.days)
            for shape in SHAPES:
                for job, (cpu, seconds, peak) in measure(
                    spark, settings, folder, shape, arguments.events, arguments.days
                ).items():
                    ratio = cpu / even.setdefault(job, cpu)
                    table.add_row(shape, job, f"{cpu:.1f}", f"{ratio:.2f}", f"{seconds:.1f}", f"{peak / 2**20:,.0f}")
    Console(highlight=False).print(table)


def measure(
    spark: SparkSession, settings: Settings, folder: Path, shape: str, events: int, days: int, name: str = ""
) -> dict[str, tuple[float, float, int]]:
    """Job -> CPU seconds, seconds, and bytes above the idle session's. name: the shop's, by default the shape."""
    name = name or shape
    write_files(folder / name, shape, events, days)
    path = folder / f"{name}.toml"
    path.write_text(SHOP.format(name=name))
    shop = load_shop(path)
    connect(settings).prepare(shop)
    lake, as_of = Lake(settings.lake(shop.name)), FIRST_DAY + timedelta(days)
    jobs = {
        "clean": lambda: clean.run(lambda: spark, lake, shop, "purchases", as_of, settings),
        "customer_day": lambda: customer_day.run(lambda: spark, lake, shop, as_of),
        "customer_series": lambda: customer_series.run(lambda: spark, lake, shop, as_of, CUSTOMER_SERIES),
    }
    found = {}
    for job, work in jobs.items():
        idle = read_memory_bytes()
        with MemorySampler() as memory:
            begin = time.monotonic()
            spent = time_it(work)
            found[job] = spent.cpu_seconds, spent.seconds, memory.peak(begin, time.monotonic()) - idle
    counted = pc.sum(lake.dataset(CUSTOMER_DAY).to_table(columns=["sale_count"])["sale_count"]).as_py()
    if counted != events:
        raise ChurnError(f"{name}: {counted} of {events} events are in customer_day")
    return found


def write_files(folder: Path, shape: str, events: int, days: int) -> None:
    """One file per delivery day; the same at every call."""
    folder.mkdir(parents=True)
    lines = defaultdict(list)
    for delivered, line in make_lines(shape, events, days):
        lines[delivered].append(line)
    for day, of_day in lines.items():
        (folder / f"{FIRST_DAY + timedelta(day)}.csv").write_text("id,customer,at,sku,total\n" + "".join(of_day))


def make_lines(shape: str, events: int, days: int) -> Iterator[tuple[int, str]]:
    """The number of the delivery day, and the line."""
    chance = np.random.default_rng(SEED)
    customer, day = chance.integers(0, CUSTOMERS, events), chance.integers(0, days, events)
    second, product = chance.integers(0, 86_400 // 2, events), chance.integers(0, 3000, events)
    is_special = np.arange(events) % 2 == 0
    if shape == "customer":
        customer[is_special] = 0
    if shape == "day":
        day[is_special] = days // 2
    delivered = day + (is_special & (shape == "late"))
    for n in range(events):
        minutes, seconds = divmod(int(second[n]), 60)
        at = f"{FIRST_DAY + timedelta(int(day[n]))} {8 + minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        yield int(delivered[n]), f"e{n},c{customer[n]},{at},p{product[n]},{n % 90 + 1}.50\n"


if __name__ == "__main__":
    sys.exit(run_command(main))
