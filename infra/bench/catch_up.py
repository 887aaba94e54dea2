"""How much time does it take a night to rebuild published days, as much as CHURN_CATCH_UP_MB allows?

    python -m infra.bench.catch_up [--mb 200 1000]

For each size: loads a shop with this many MB of raw files, times a night with one small new day, then rebuilds all days
of its events and of customer_day, as nights do after a change of settings or code (a night rebuilds one batch of
`rebuild`). MB are counted as by the setting: of raw files for events, of events for customer_day. On a busy machine the
CPU seconds of all processes are more reliable than the clock.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from infra.bench.clean import DAYS, FIRST_DAY, SHOP, write_files
from infra.bench.session import Spent, open_bench, time_it
from spark_jobs import clean, customer_day, customer_series, rebuild
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, EVENTS
from spark_jobs.lake.store import Lake
from spark_jobs.publish import publish_run
from spark_jobs.runtime.command import run_command
from spark_jobs.warehouse.connection import connect

BYTES_PER_LINE = 178  # as infra.bench.clean writes them
NEW_LINES = 10_000
LOG = "browses"


@dataclass(frozen=True)
class Cost:
    """What a step has spent, and the bytes of its input (None: not counted)."""

    what: str
    byte_count: int | None
    spent: Spent


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, nargs="+", default=[200, 1000], help="of raw files")
    costs = [cost for megabytes in parser.parse_args(argv).mb for cost in measure_shop(megabytes)]
    table = Table("what", "MB", "s", "CPU s", "CPU s per 100 MB")
    for cost in costs:
        megabytes = cost.byte_count and cost.byte_count / 1e6
        per_hundred = f"{100 * cost.spent.cpu_seconds / megabytes:.1f}" if megabytes else ""
        shown = f"{megabytes:,.0f}" if megabytes else ""
        table.add_row(cost.what, shown, f"{cost.spent.seconds:.1f}", f"{cost.spent.cpu_seconds:.1f}", per_hundred)
    Console(highlight=False).print(table)


def measure_shop(megabytes: int) -> list[Cost]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder / "raw", megabytes * 1_000_000 // BYTES_PER_LINE, 0)
        (folder / "shop.toml").write_text(SHOP)
        with open_bench(folder) as (spark, settings):
            shop = load_shop(folder / "shop.toml")
            connect(settings).prepare(shop)
            return list(_measure(spark, shop, settings, folder / "raw"))


def _measure(spark: SparkSession, shop: Shop, settings: Settings, raw: Path) -> Iterator[Cost]:
    lake, last_day = Lake(settings.lake(shop.name)), FIRST_DAY + timedelta(DAYS - 1)
    night = partial(run_night, spark, lake, shop, settings)
    yield Cost(f"the first night of {DAYS} days", None, time_it(partial(night, last_day)))
    raw_bytes = sum(file.stat().st_size for file in raw.iterdir())
    new_day = last_day + timedelta(1)
    lines = (raw / f"{last_day}.jsonl").read_text().splitlines(keepends=True)[:NEW_LINES]
    text = "".join(lines).replace('"id": "e', '"id": "n')
    (raw / f"{new_day}.jsonl").write_text(text)
    yield Cost(f"a night of {NEW_LINES:,} new records", None, time_it(partial(night, new_day)))
    for table, byte_count in ((LOG, raw_bytes), (CUSTOMER_DAY.name, sum(lake.sizes(EVENTS[LOG]).values()))):
        rebuilt = time_it(partial(rebuild.run, lambda: spark, lake, shop, settings, table))
        yield Cost(f"{table} rebuilt", byte_count, rebuilt)


def run_night(spark: SparkSession, lake: Lake, shop: Shop, settings: Settings, as_of: date) -> None:
    clean.run(lambda: spark, lake, shop, LOG, as_of, settings)
    customer_day.run(lambda: spark, lake, shop, as_of, budget_bytes=settings.catch_up_bytes)
    customer_series.run(lambda: spark, lake, shop, as_of, CUSTOMER_SERIES)
    publish_run(lake, shop, "etl", as_of)


if __name__ == "__main__":
    sys.exit(run_command(main))
