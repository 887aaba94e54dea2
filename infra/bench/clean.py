"""How fast is clean compared with plain Spark, and does it keep every valid record and no bad one?

    python -m infra.bench.clean [--valid 1000000] [--bad 50000] [--runs 3]

Makes daily files of browsing events as JSON lines, valid ones and bad ones of many kinds in random places. Then, in
turns and each in a new lake, it cleans them, and reads them with `spark.read.json` and writes Parquet. Both run in the
same session, so that the ratio is comparable between machines; on a busy machine the ratio of the CPU seconds of all
processes is more reliable than that of the clock. Spark is given the schema, because it cannot infer one from such
files: one line with a repeated key is enough to make it fail.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from infra.bench.session import open_bench, time_it
from spark_jobs import clean
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command
from spark_jobs.warehouse.connection import connect

SHOP = """
name = "bench"
time_zone = "Europe/Berlin"
currency = "EUR"
[churn]
activity = "visit"
[sources.browses]
location = "raw"
files = "*.jsonl"
format = "jsonl"
delivery_day = '(\\d{4}-\\d{2}-\\d{2})'
max_quarantined_share = 0.5
[sources.browses.columns]
event_id = "id"
customer_id = "visitor"
event_at = { column = "ts", format = "epoch_ms" }
kind = { column = "type", values = { view = "view", search = "search", add = "cart_add" } }
product_id = "item"
category = "category"
session_id = "session"
dwell_seconds = "dwell"
"""
SCHEMA = "id string, visitor string, ts long, type string, item string, category string, session string, dwell double"
FIRST_DAY, DAYS = date(2024, 5, 1), 10
#: The ways to make a bad line from a valid one.
SPOILERS: tuple[Callable[[str], str], ...] = (
    lambda line: line[: len(line) // 2],
    lambda line: line[:-1],
    lambda line: "",
    lambda line: "null",
    lambda line: f"[{line}]",
    lambda line: line + line,
    lambda line: line + " x",
    lambda line: line.replace('"ts": ', '"ts": NaN, "was": '),
    lambda line: line.replace('"ts": ', '"ts": "soon", "was": '),
    lambda line: line.replace('"ts": ', '"ts": 1e99, "was": '),
    lambda line: line.replace('"ts": ', '"ts": [1], "was": '),
    lambda line: line.replace('"visitor": ', '"visitor": null, "was": '),
    lambda line: line.replace('"visitor": ', '"visitor": "", "was": '),
    lambda line: line.replace('"type": ', '"type": "teleport", "was": '),
    lambda line: line.replace('"type": ', '"type": null, "was": '),
    lambda line: line.replace('"dwell": ', '"dwell": -1, "was": '),
    lambda line: line.replace('"dwell": ', '"dwell": "long", "was": '),
    lambda line: line.replace('"id": ', '"id": "twice", "id": '),
    lambda line: line.replace("}", ', "more": {"open": }'),
    lambda line: line.replace('"', "'"),
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--valid", type=int, default=1_000_000)
    parser.add_argument("--bad", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args(argv)
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as name, console.status("making files") as status:
        folder = Path(name)
        write_files(folder / "raw", arguments.valid, arguments.bad)
        (folder / "shop.toml").write_text(SHOP)
        with open_bench(folder) as (spark, settings):
            seconds, accounts = measure(spark, folder, settings, arguments.runs, status.update)
    show(console, seconds, accounts, arguments.valid + arguments.bad)
    if (accounts["clean"], accounts["quarantined"]) != (arguments.valid, arguments.bad):
        raise ChurnError(f"expected {arguments.valid} clean and {arguments.bad} quarantined, found {accounts}")


def write_files(folder: Path, valid: int, bad: int) -> None:
    """Writes the files; every call writes the same lines."""
    folder.mkdir(parents=True)
    chance = random.Random(7)
    is_bad = [True] * bad + [False] * valid
    chance.shuffle(is_bad)
    per_file = -(-len(is_bad) // DAYS)
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        lines = _make_lines(day, is_bad[number * per_file : (number + 1) * per_file], number * per_file, chance)
        (folder / f"{day}.jsonl").write_text("".join(f"{line}\n" for line in lines))


def _make_lines(day: date, is_bad: list[bool], first: int, chance: random.Random) -> Iterator[str]:
    noon_ms = 1000 * 86400 * (day - date(1970, 1, 1)).days + 36_000_000
    for number, spoil in enumerate(is_bad, start=first):
        visitor, item = chance.randrange(50_000), chance.randrange(3_000)
        line = (
            f'{{"id": "e{number}", "visitor": "v{visitor}", "ts": {noon_ms + chance.randrange(20_000_000)},'
            f' "type": "{("view", "view", "search", "add")[item % 4]}", "item": "p{item}", "category": "c{item % 40}",'
            f' "session": "s{visitor}-{item % 3}", "dwell": {chance.randrange(9000) / 10}}}'
        )
        yield chance.choice(SPOILERS)(line) if spoil else line


def measure(spark: SparkSession, folder: Path, settings: Settings, runs: int, report: Callable[[str], None]):
    """(wall-clock seconds, CPU seconds) of every run by method, and the accounts of the last clean."""
    shop = load_shop(folder / "shop.toml")
    connect(settings).prepare(shop)
    raw, out = str(folder / "raw"), folder / "out"

    def run_clean() -> None:
        shutil.rmtree(settings.lake(shop.name), ignore_errors=True)
        clean.run(lambda: spark, Lake(settings.lake(shop.name)), shop, "browses", FIRST_DAY + timedelta(DAYS), settings)

    def read_json() -> None:
        shutil.rmtree(out, ignore_errors=True)
        spark.read.schema(SCHEMA).json(raw).write.parquet(str(out))

    methods = {"clean": run_clean, "spark.read.json to Parquet": read_json}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    for number in range(runs + 1):  # the first is a warm-up and does not count
        for name, method in methods.items():
            report(f"run {number} of {runs}: {name}")
            spent = time_it(method)
            if number:
                seconds[name].append(spent)
    print(f"spark.read.json keeps {spark.read.parquet(str(out)).count():,} rows")
    rows = Lake(settings.lake(shop.name)).arrow(ACCOUNTS, ["browses"]).to_pylist()
    return seconds, {
        part: sum(row[part] for row in rows) for part in ("lines_in", "clean", "quarantined", "duplicates")
    }


def show(
    console: Console, seconds: dict[str, list[tuple[float, float]]], accounts: dict[str, int], records: int
) -> None:
    table = Table("method", "median s", "records/s", "speed of clean beside it", "CPU s", "by CPU")
    ours, ours_cpu = map(statistics.median, zip(*seconds["clean"], strict=True))
    for name, measured in seconds.items():
        median, cpu = map(statistics.median, zip(*measured, strict=True))
        shares = f"{median / ours:.2f}", f"{cpu / ours_cpu:.2f}"
        table.add_row(name, f"{median:.1f}", f"{records / median:,.0f}", shares[0], f"{cpu:.1f}", shares[1])
    console.print(table)
    console.print("accounts of clean: " + ", ".join(f"{count:,} {part}" for part, count in accounts.items()))


if __name__ == "__main__":
    sys.exit(run_command(main))
