"""How fast does a night's load run, and how fast could the server take the same rows?

    python -m infra.bench.load [--rows 300000] [--rounds 3]

Rows of churn_risk as a night makes them, with keyed ids and three reasons each, are sent from Arrow by the same driver
to an embedded PostgreSQL of the bench's own:

publish    as `score.load` does it: lock, copy into the day's month, move the pointer, commit
key first  the copy alone, into an empty table like a month's, with its primary key
key last   the copy into a table without a key, then the primary key, in one transaction: what a night's own table would
           allow, see infra.bench.partitions
no key     the copy alone, without a key
unlogged   the same into a table that a crash would empty: the floor

CPU seconds are those of the server's process and of the driver. The flip is the time from the last row's arrival until
readers see the new run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from infra.local.embedded import EmbeddedPostgres
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import churn_risk
from spark_jobs.contract.windows import ChurnDefinition
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.runtime.command import run_command
from spark_jobs.warehouse import postgres, scores
from spark_jobs.warehouse.postgres import PostgresWarehouse

FIRST_DAY = date(2024, 6, 1)
SHOP = Shop("bench", "UTC", "EUR", sources={}, churn=ChurnDefinition())
TEXT = "no order for {} days; before, one every {} days"
TABLES = {"key first": "", "key last": "", "no key": "", "unlogged": "UNLOGGED"}
KEY = "ALTER TABLE bench.target ADD PRIMARY KEY (as_of, run_id, customer_id)"


@dataclass(frozen=True)
class Cost:
    """CPU seconds of the server and of this process, and seconds of the clock."""

    server: float
    driver: float
    wall: float
    flip: float | None = None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(argv)
    rows = make_rows(arguments.rows)
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder))
        try:
            costs = measure(server.start(), rows, arguments.rounds)
        finally:
            server.stop()
    Console(highlight=False).print(make_table(costs, arguments.rows, rows.nbytes))


def make_rows(count: int) -> pa.Table:
    """`count` rows of the default horizons, in the order of their ids, as the lake holds them."""
    table = churn_risk(SHOP.churn.horizons_days)
    probabilities = {c.name: 0.25 for c in table.columns if c.name.startswith("p_churn")}
    texts = {"reason": "recency", "reason_2": "frequency", "reason_3": "base_rate", "reason_effect": 0.125}
    fixed = {**probabilities, **texts, "expected_spend": Decimal("100.10"), "spend_at_risk": Decimal("25.02"),
             "band": "medium", "model_version": "blend-2024-05-31-0a1b2c3d", "is_hindsight": False,
             "as_of": FIRST_DAY}  # fmt: skip
    ids = sorted(sha256(str(n).encode()).hexdigest()[:32] for n in range(count))
    columns = {
        field.name: pa.array([fixed.get(field.name)], field.type).take(pa.array([0] * count, pa.int32()))
        for field in arrow_schema(table)
    }
    columns["customer_id"] = pa.array(ids)
    for n, name in enumerate(("reason_text", "reason_2_text", "reason_3_text")):
        columns[name] = pa.array([TEXT.format(30 + (row + n) % 60, 5 + row % 20) for row in range(count)])
    return pa.table(columns, schema=arrow_schema(table))


def measure(url: str, rows: pa.Table, rounds: int) -> dict[str, list[Cost]]:
    """The costs of every way, in turn, so that what else the machine does concerns all alike."""
    warehouse = PostgresWarehouse(url)
    warehouse.prepare(SHOP)
    costs: dict[str, list[Cost]] = {"publish": [], **{name: [] for name in TABLES}}
    for number in range(rounds):
        costs["publish"].append(measure_publish(warehouse, rows, number))
        for name in TABLES:
            costs[name].append(measure_copy(url, rows, name))
    return costs


def measure_publish(warehouse: PostgresWarehouse, rows: pa.Table, number: int) -> Cost:
    """A day of its own each round, in one month and in the order of nights: keys of earlier days would cost more."""
    day = FIRST_DAY + timedelta(days=number)
    place = rows.column_names.index("as_of")
    rows = rows.set_column(place, "as_of", pa.array([day] * len(rows), pa.date32()))
    servers, times = [], []
    move_pointer, remove_rows = scores._move_pointer, postgres.remove_invisible_rows

    def note_flip(cursor: adbc.Cursor, *rest: Any) -> None:
        servers.append(read_cpu(scores.fetch_value(cursor, "SELECT pg_backend_pid()")))
        times.append(time.perf_counter())
        move_pointer(cursor, *rest)

    def note_commit(*arguments: Any) -> int:
        times.append(time.perf_counter())
        return remove_rows(*arguments)

    with patch.object(scores, "_move_pointer", note_flip), patch.object(postgres, "remove_invisible_rows", note_commit):
        start, own = time.perf_counter(), time.process_time()
        warehouse.publish_scores(SHOP, day, f"score-{day}-0a1b2c3d", rows, 1, False)
        end = time.perf_counter()
    return Cost(servers[0], time.process_time() - own, end - start, times[1] - times[0])


def measure_copy(url: str, rows: pa.Table, way: str) -> Cost:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench.target")
        connection.execute(f"CREATE {TABLES[way]} TABLE bench.target (LIKE bench.churn_risk INCLUDING DEFAULTS)")
        if way == "key first":
            connection.execute(KEY)
    schema = rows.schema.append(pa.field("run_id", pa.string()))
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        process = scores.fetch_value(cursor, "SELECT pg_backend_pid()")
        start, own, before = time.perf_counter(), time.process_time(), read_cpu(process)
        reader = pa.RecordBatchReader.from_batches(schema, scores._make_batches(schema, rows, "score-2024-06-30"))
        cursor.adbc_ingest("target", reader, mode="append", db_schema_name="bench")
        if way == "key last":
            cursor.execute(KEY)
        connection.commit()
        server = read_cpu(process) - before
        return Cost(server, time.process_time() - own, time.perf_counter() - start)


def read_cpu(process: int) -> float:
    """The CPU seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make_table(costs: dict[str, list[Cost]], rows: int, size: int) -> Table:
    table = Table(title=f"{rows:,} rows, {size / rows:.0f} bytes each in Arrow; medians of {len(costs['publish'])}")
    for name in ("way", "server CPU s", "driver CPU s", "s", "rows per server CPU s", "flip, ms"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for way, of_way in costs.items():
        server, driver, wall = (median(getattr(cost, name) for cost in of_way) for name in ("server", "driver", "wall"))
        flips = [cost.flip * 1000 for cost in of_way if cost.flip is not None]
        table.add_row(way, f"{server:.2f}", f"{driver:.2f}", f"{wall:.2f}", f"{rows / server:,.0f}",
                      f"{median(flips):.1f}" if flips else "")  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(run_command(main))
