"""What does a night's ETL cost on each engine, and do all engines make the same tables?

    python -m infra.bench.nights.engines [--customers 3000] [--engines classic connect sail] [--home DIR]

Of the simulated shop: the first load of 361 days, and the night after it, each engine in a home of its own. It fails if
a table of an engine has other rows than the first engine's. CPU seconds are of all processes, see infra.bench.nights.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from infra.bench.nights.homes import LOADED_DAY, NIGHT, SHOP_FILE, clear_home, make_home
from infra.bench.nights.runs import run_product
from infra.bench.processes import adopt_orphans
from infra.demo.simulated.simulate import SHOP
from infra.local import warehouse
from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import make_environment, read_settings
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.settings import CLASSIC, CONNECT, EMBEDDED, SAIL, Settings
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, EVENTS, quarantine
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command
from spark_jobs.runtime.engine import stop_engine

TABLES = (*EVENTS.values(), *map(quarantine, EVENTS), ACCOUNTS, CUSTOMER_DAY, CUSTOMER_SERIES)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=3_000)
    parser.add_argument("--engines", nargs="+", default=[CLASSIC, CONNECT, SAIL], choices=[CLASSIC, CONNECT, SAIL])
    parser.add_argument("--home", type=Path, default=read_settings().home / "bench", metavar="DIR")
    arguments = parser.parse_args(argv)
    adopt_orphans()
    expected: dict[str, pl.DataFrame] = {}
    for engine in arguments.engines:
        home = lend_raw_files(arguments.home.resolve(), arguments.customers, engine)
        measure(engine, arguments.customers, home)
        found = read_tables(Lake(Settings(home).lake(SHOP)))
        expected = expected or found
        require_same(engine, found, arguments.engines[0], expected)


def lend_raw_files(folder: Path, customers: int, engine: str) -> Path:
    """A home for the engine with the raw files, and the secret keys, of the shop of this size."""
    environment = make_environment([SHOP_FILE], {"CHURN_HOME": str(folder / str(customers))})
    source, home = folder / str(customers), folder / f"{customers}_{engine}"
    if not (source / "landing").exists():
        make_home(folder, customers, environment)
    Settings(source).id_key()
    clear_home(home)
    for name in ("landing", "secrets"):
        if not (home / name).exists():
            shutil.copytree(source / name, home / name, copy_function=os.link)
    return home


def measure(engine: str, customers: int, home: Path) -> None:
    given = {"CHURN_HOME": str(home), "CHURN_WAREHOUSE_URL": EMBEDDED, "CHURN_ENGINE": engine}
    environment = make_environment([SHOP_FILE], given)
    warehouse.start(Settings(home, warehouse_url=EMBEDDED))
    try:
        for case, day in (("first load", LOADED_DAY), ("night", NIGHT)):
            run = run_product(customers, case, environment, [f"etl@{day}"])
            for name, step in run.steps.items():
                print(f"  {name}: {step.cpu_seconds:.1f} CPU s, {step.seconds:.0f} s", flush=True)
            print(f"{engine}, {case}: {run.sum_cpu():.1f} CPU s, {run.sum_cpu('etl'):.1f} of them in the steps,"
                  f" {run.seconds:.0f} s, {run.peak_bytes / 2**30:.1f} GiB", flush=True)  # fmt: skip
            stop_engine(home)  # each case begins with a cold engine
    finally:
        EmbeddedPostgres(home).stop()


def read_tables(lake: Lake) -> dict[str, pl.DataFrame]:
    """The rows of every table in one order."""
    return {table.name: sort_rows(table, pl.DataFrame(lake.arrow(table))) for table in TABLES}


def sort_rows(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    lists = [name for name, kind in rows.schema.items() if isinstance(kind, pl.List)]
    return rows.sort([name for name in table.column_names if name not in lists])


def require_same(engine: str, found: dict[str, pl.DataFrame], other: str, expected: dict[str, pl.DataFrame]) -> None:
    """Raises ChurnError with the first column that differs."""
    for name, rows in expected.items():
        if found[name].height != rows.height:
            raise ChurnError(f"{name}: {engine} has {found[name].height:,} rows, {other} {rows.height:,}")
        for column in rows.columns:
            if not found[name][column].equals(rows[column], null_equal=True):
                raise ChurnError(f"{name}.{column}: {engine} has other values than {other}")
        print(f"{name}: {rows.height:,} equal rows", flush=True)


if __name__ == "__main__":
    sys.exit(run_command(main))
