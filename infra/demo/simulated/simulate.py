"""Simulates a shop whose truth is known: writes its three logs as daily files, and the truth separately.

    python -m infra.demo.simulated.simulate --home .churn --customers 1500 --days 450 [--seed 7]

Below HOME/landing/simulated: purchases, browses and reviews, one gzipped file a day and 100,000 customers, and
merged_customers.csv. Below HOME/truth/simulated, which no job reads: customers (kind and rates), states (weekly: the
state, and the exact probability of no order in the next 30, 60 and 90 days), planted.json (the number of planted
defects by log and kind). A customer's life and lines depend only on the seed and the customer's number.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from infra.demo.simulated.life import HORIZONS_DAYS, Calendar, Life, live, survival
from infra.demo.simulated.lines import HEADERS, Writer
from infra.demo.simulated.parameters import STATES, Parameters
from spark_jobs.contract.settings import Settings
from spark_jobs.runtime.command import day, run_command
from spark_jobs.runtime.session import open_session

SHOP = "simulated"
LOGS = {"purchases": "csv.gz", "browses": "jsonl.gz", "reviews": "jsonl.gz"}
FIRST_DAY, DAYS, CUSTOMERS, SEED = date(2024, 1, 1), 450, 1500, 7
CUSTOMERS_PER_TASK = 250
CUSTOMERS_PER_FILE = 100_000
LINES_DDL = "log string, delivered int, chunk int, key string, text string, planted string"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="CHURN_HOME, on a file system that all workers share")
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--first-day", type=day, default=FIRST_DAY)
    arguments = parser.parse_args(argv)
    spark = open_session("simulate", Settings.from_environment())
    simulate(spark, arguments.home, arguments.customers, arguments.days, arguments.seed, arguments.first_day)


def make_calendar(first_day: date, days: int, parameters: Parameters) -> Calendar:
    season = parameters.season(first_day.weekday(), first_day.timetuple().tm_yday, days + HORIZONS_DAYS[-1])
    return Calendar(days, season)


def simulate(spark: SparkSession, home: Path, customers: int, days: int, seed: int, first_day: date) -> None:
    """Writes everything. The same arguments give the same content."""
    parameters = Parameters()
    calendar = make_calendar(first_day, days, parameters)
    landing, truth = home / "landing" / SHOP, home / "truth" / SHOP
    for folder in (*(landing / log for log in LOGS), truth / "customers", truth / "states"):
        folder.mkdir(parents=True, exist_ok=True)
    tasks = max(2, -(-customers // CUSTOMERS_PER_TASK))
    numbers = spark.range(0, customers, 1, tasks)
    lines = numbers.mapInArrow(line_maker(seed, calendar, parameters, first_day), LINES_DDL)
    planted = write_files(lines, landing, first_day)
    (truth / "planted.json").write_text(json.dumps(planted, indent=1, sort_keys=True))
    merged = numbers.mapInArrow(truth_writer(seed, calendar, parameters, first_day, truth), "number long, since date")
    write_merges(landing / "merged_customers.csv", [(row["number"], row["since"]) for row in merged.collect()])
    total = sum(count for counts in planted.values() for count in counts.values())
    print(f"simulated {customers:,} customers over {days} days: {total:,} lines below {landing}")


def line_maker(seed: int, calendar: Calendar, parameters: Parameters, first_day: date):
    """For mapInArrow: customer numbers in, lines out."""

    def make(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch["id"].to_pylist():
                writer = Writer(live(seed, number, calendar, parameters), calendar, parameters, first_day)
                rows = [
                    (n.log, n.delivered, number // CUSTOMERS_PER_FILE, n.key, n.text, n.planted) for n in writer.lines()
                ]
                if rows:
                    names = ["log", "delivered", "chunk", "key", "text", "planted"]
                    arrays = [pa.array(values) for values in zip(*rows, strict=True)]
                    arrays[1], arrays[2] = arrays[1].cast(pa.int32()), arrays[2].cast(pa.int32())
                    yield pa.RecordBatch.from_arrays(arrays, names)

    return make


def write_files(lines: DataFrame, landing: Path, first_day: date) -> dict[str, dict[str, int]]:
    """Writes every file, one group at a time; returns the number of planted defects by log and kind."""

    def write(group: pa.Table) -> pa.Table:
        log, chunk = group["log"][0].as_py(), group["chunk"][0].as_py()
        delivered = first_day + timedelta(days=group["delivered"][0].as_py())
        ordered = group.sort_by("key")
        head = [HEADERS[log]] if log in HEADERS else []
        content = "\n".join([*head, *ordered["text"].to_pylist()]) + "\n"
        path = landing / log / f"{delivered}-{chunk:03}.{LOGS[log]}"
        path.write_bytes(gzip.compress(content.encode(), compresslevel=6, mtime=0))
        counts = Counter(group["planted"].to_pylist())
        rows = {"log": [log] * len(counts), "planted": list(counts), "lines": list(counts.values())}
        return pa.table(rows)

    written = lines.groupBy("log", "delivered", "chunk").applyInArrow(write, "log string, planted string, lines long")
    planted: dict[str, dict[str, int]] = {log: {} for log in LOGS}
    for row in written.groupBy("log", "planted").sum("lines").collect():
        planted[row["log"]][row["planted"] or "clean"] = row[2]
    return planted


def truth_writer(seed: int, calendar: Calendar, parameters: Parameters, first_day: date, truth: Path):
    """For mapInArrow: customer numbers in; writes the truth and returns the merged customers with the day."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            lives = [live(seed, number, calendar, parameters) for number in batch["id"].to_pylist()]
            name = f"{lives[0].number:09}.parquet"
            pq.write_table(describe(lives), truth / "customers" / name)
            pq.write_table(states_of(lives, calendar, parameters, first_day), truth / "states" / name)
            merged = [life for life in lives if life.kind == "merged"]
            since = [first_day + timedelta(days=life.merged_on) for life in merged]
            numbers = pa.array([life.number for life in merged], pa.int64())
            yield pa.RecordBatch.from_arrays([numbers, pa.array(since, pa.date32())], ["number", "since"])

    return write


def describe(lives: list[Life]) -> pa.Table:
    return pa.table(
        {
            "customer": [f"c{life.number}" for life in lives],
            "kind": [life.kind for life in lives],
            "arrived": [life.arrived for life in lives],
            "order_rate": [life.order_rate for life in lives],
            "session_rate": [life.session_rate for life in lives],
            "language": [life.language for life in lives],
        }
    )


def states_of(lives: list[Life], calendar: Calendar, parameters: Parameters, first_day: date) -> pa.Table:
    """Weekly: each customer's state and exact probabilities of no order."""
    people = [life for life in lives if life.kind != "bot"]
    rates = np.array([life.order_rate for life in people])
    parts = []
    for at in range(calendar.days - 1, -1, -7):
        here = [place for place, life in enumerate(people) if life.arrived <= at]
        state = np.array([people[place].state[at] for place in here], int)
        chances = survival(rates[here], at, calendar, parameters)[np.arange(len(here)), state]
        columns = {
            "customer": [f"c{people[place].number}" for place in here],
            "day": pa.array([first_day + timedelta(days=at)] * len(here), pa.date32()),
            "state": [STATES[number] for number in state],
        }
        columns |= {f"p_{horizon}d": chances[:, place] for place, horizon in enumerate(HORIZONS_DAYS)}
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def write_merges(path: Path, merged: list[tuple[int, date]]) -> None:
    with path.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["customer_id", "merged_into", "since"])
        lines.writerows((f"c{number}-guest", f"c{number}", since) for number, since in sorted(merged))


if __name__ == "__main__":
    sys.exit(run_command(main))
