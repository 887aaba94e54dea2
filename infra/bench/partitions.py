"""What would readers pay if each night's scores were a table of their own, instead of a part of their month's?

    python -m infra.bench.partitions [--nights 400] [--rows 1500]

A table of its own could be filled before it has a key, which is faster (infra.bench.load, `key last`), and attached to
churn_risk when it is ready. Both layouts hold the same rows in an embedded PostgreSQL of the bench's own, below the
product's views. Each query runs on a new connection, as a dashboard's do.

ms     the median time of a query, planning included
locks  locks that it holds: a server has 6,400 for all sessions by default, and queries fail when they are used up
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import psycopg
from rich.console import Console
from rich.table import Table

from infra.bench.load import SHOP
from infra.local.embedded import EmbeddedPostgres
from spark_jobs.runtime.command import run_command
from spark_jobs.warehouse.postgres import PostgresWarehouse

LAST_DAY = date(2024, 6, 30)
TRIES = 5
KEY = "PRIMARY KEY (as_of, run_id, customer_id)"
INSERT = """
    INSERT INTO {} (as_of, run_id, customer_id, p_churn_30d, p_churn_60d, p_churn_90d, expected_spend, spend_at_risk,
                    band, reason, reason_effect, reason_text, model_version, is_hindsight)
    SELECT %(day)s, %(run)s, 'c' || lpad(n::text, 6, '0'), 0.2, 0.3, 0.4, 100.1, n, 'medium', 'recency', 0.1,
           'no order for 30 days; before, one every 5 days', 'blend-1', false FROM generate_series(1, %(rows)s) AS n"""
RUN = "INSERT INTO published_runs (as_of, run_id, rows, lake_version, is_hindsight) VALUES (%s, %s, %s, 1, false)"
QUERIES = {
    "20 customers most at risk": """
        SELECT customer_id, band, spend_at_risk FROM current_churn_risk
        ORDER BY spend_at_risk DESC, customer_id LIMIT 20""",
    "customers by band": "SELECT band, count(*) FROM current_churn_risk GROUP BY band",
    "one customer's history": """
        SELECT as_of, p_churn, band FROM churn_risk_history WHERE customer_id = 'c000500' ORDER BY as_of""",
    "one past night": f"SELECT count(*) FROM churn_risk_history WHERE as_of = DATE '{LAST_DAY - timedelta(days=29)}'",
    "whose risk rose": """
        SELECT today.customer_id, today.p_churn - before.p_churn AS rise FROM current_churn_risk AS today
        JOIN churn_risk_history AS before ON before.as_of = today.as_of - 1 AND before.customer_id = today.customer_id
        ORDER BY rise DESC LIMIT 20""",
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=400)
    parser.add_argument("--rows", type=int, default=1_500, help="customers of a night")
    arguments = parser.parse_args(argv)
    table = Table("query", title=f"{arguments.nights} nights of {arguments.rows:,} customers")
    found = {}
    for name, add_night in (("month's table", add_to_month), ("night's table", add_own_table)):
        table.add_column(f"{name}, ms", justify="right")
        table.add_column("locks", justify="right")
        with tempfile.TemporaryDirectory() as folder:
            server = EmbeddedPostgres(Path(folder))
            try:
                found[name] = measure(server.start(), add_night, arguments.nights, arguments.rows)
            finally:
                server.stop()
    for query in QUERIES:
        cells = (cell for costs in found.values() for cell in (f"{costs[query][0]:.1f}", f"{costs[query][1]:,}"))
        table.add_row(query, *cells)
    Console(highlight=False).print(table)


def measure(url: str, add_night: Callable, nights: int, rows: int) -> dict[str, tuple[float, int]]:
    """Query -> milliseconds, and locks."""
    PostgresWarehouse(url).prepare(SHOP)
    with _connect(url, autocommit=True) as connection:
        for back in range(nights - 1, -1, -1):
            day = LAST_DAY - timedelta(days=back)
            values = {"day": day, "run": f"score-{day}-0a1b2c3d", "rows": rows}
            with connection.transaction():
                add_night(connection, values)
                connection.execute(RUN, [day, values["run"], rows])
        connection.execute("VACUUM ANALYZE")
    return {name: measure_query(url, query) for name, query in QUERIES.items()}


def add_to_month(connection: psycopg.Connection, values: dict) -> None:
    connection.execute("SELECT ensure_month(%s)", [values["day"]])
    connection.execute(INSERT.format("churn_risk"), values)


def add_own_table(connection: psycopg.Connection, values: dict) -> None:
    day = values["day"]
    name = f"churn_risk_{day:%Y_%m_%d}"
    connection.execute(f"CREATE TABLE {name} (LIKE churn_risk INCLUDING DEFAULTS)")
    connection.execute(INSERT.format(name), values)
    connection.execute(f"ALTER TABLE {name} ADD {KEY}")
    bounds = f"FROM ('{day}') TO ('{day + timedelta(days=1)}')"
    connection.execute(f"ALTER TABLE churn_risk ATTACH PARTITION {name} FOR VALUES {bounds}")


def measure_query(url: str, query: str) -> tuple[float, int]:
    times, locks = [], 0
    for _ in range(TRIES):
        with _connect(url) as connection:
            start = time.perf_counter()
            connection.execute(query).fetchall()
            times.append(time.perf_counter() - start)
            held = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
            (locks,) = connection.execute(held).fetchone() or (0,)
    return median(times) * 1000, locks


def _connect(url: str, autocommit: bool = False) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=autocommit, options=f"-c search_path={SHOP.name}")


if __name__ == "__main__":
    sys.exit(run_command(main))
