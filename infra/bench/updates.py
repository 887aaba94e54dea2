"""Measures a night of a shop that exports its whole history every day, when only a few orders have changed.

    python -m infra.bench.updates [--orders 200000] [--changes 200]

Two shops get the same two snapshots of `orders` orders. One counts the newest state of each order (`updates =
"latest"`), the other the first. The second snapshot changes `changes` orders, about a third of them by a
cancellation, and adds as many new ones. Reported for its clean, customer_day and customer_series: the wall-clock
time, the CPU time of all processes, and the rows and bytes added to the clean events and to customer_day.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from infra.bench.session import open_bench, time_it
from spark_jobs import clean, customer_day, customer_series, publish
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, PURCHASES
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command
from spark_jobs.warehouse.connection import connect

SHOP = """
name = "{name}"
time_zone = "Europe/Berlin"
currency = "EUR"
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
delivery_day = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'
{setting}
[sources.purchases.columns]
event_id = "order"
customer_id = "customer"
event_at = "at"
product_id = "sku"
amount = "total"
[sources.purchases.status]
column = "state"
counted = ["paid"]
cancelled = ["void"]
"""
SETTINGS = {'updates = "latest"': 'updates = "latest"\nsnapshots = true', "without": ""}
FIRST_DAY, DAYS = date(2025, 6, 1), 300
NIGHTS = (FIRST_DAY + timedelta(DAYS), FIRST_DAY + timedelta(DAYS + 1))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--changes", type=int, default=200)
    arguments = parser.parse_args(argv)
    table = Table("shop", "job", "s", "CPU s", "rows added", "bytes added")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_snapshots(folder / "raw", arguments.orders, arguments.changes)
        with open_bench(folder) as (spark, settings):
            for number, (title, setting) in enumerate(SETTINGS.items()):
                measure(
                    spark, folder, settings, f"bench_{number}", setting, lambda *row, t=title: table.add_row(t, *row)
                )
    Console(highlight=False).print(table)


def write_snapshots(folder: Path, orders: int, changes: int) -> None:
    """The same two files at every call."""
    folder.mkdir(parents=True)
    chance = random.Random(7)
    lines = [_make_line(number, chance) for number in range(orders)]
    for night, day in enumerate(NIGHTS):
        if night:
            for place in chance.sample(range(orders), changes):
                is_cancelled = place % 3 == 0
                total = lines[place][4] if is_cancelled else f"{chance.randrange(100, 9000)}.7"
                lines[place] = (*lines[place][:4], total, "void" if is_cancelled else "paid")
            lines += [_make_line(orders + number, chance) for number in range(changes)]
        text = "".join(f"{','.join(line)}\n" for line in lines)
        (folder / f"{day}.csv").write_text(f"order,customer,at,sku,total,state\n{text}")


def _make_line(number: int, chance: random.Random) -> tuple[str, ...]:
    at = FIRST_DAY + timedelta(chance.randrange(DAYS))
    return (f"o{number}", f"c{chance.randrange(40_000)}", f"{at} 10:{chance.randrange(10, 60)}:00",
            f"p{chance.randrange(3000)}", f"{chance.randrange(100, 9000)}.5", "paid")  # fmt: skip


def measure(
    spark: SparkSession, folder: Path, settings: Settings, name: str, setting: str, add: Callable[..., None]
) -> None:
    """Both nights of a shop; `add` gets the rows of the table about the second one."""
    path = folder / f"{name}.toml"
    path.write_text(SHOP.format(name=name, setting=setting))
    shop = load_shop(path)
    connect(settings).prepare(shop)
    lake = Lake(settings.lake(shop.name))
    for night in NIGHTS:

        def run_clean(night: date = night) -> None:
            clean.run(lambda: spark, lake, shop, "purchases", night, settings)

        def run_days(night: date = night) -> None:
            customer_day.run(lambda: spark, lake, shop, night)

        def run_series(night: date = night) -> None:
            customer_series.run(lambda: spark, lake, shop, night, CUSTOMER_SERIES)

        jobs = {"clean": (run_clean, PURCHASES), "customer_day": (run_days, CUSTOMER_DAY),
                "customer_series": (run_series, None)}  # fmt: skip
        for job, (run, written) in jobs.items():
            spent = tuple(f"{seconds:.1f}" for seconds in time_it(run))
            if night == NIGHTS[1]:
                add(job, *spent, *(_measure_day(lake, written, night) if written else ("", "")))
        publish.publish_run(lake, shop, "etl", night)


def _measure_day(lake: Lake, table, night: date) -> tuple[str, str]:
    day = night.isoformat()
    return f"{lake.arrow(table, [day]).num_rows:,}", f"{lake.sizes(table).get(day, 0):,}"


if __name__ == "__main__":
    sys.exit(run_command(main))
