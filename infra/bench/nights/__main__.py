"""What does a night cost, by step, and what would DuckDB and Polars need for the same work?

    python -m infra.bench.nights [--sizes 3000 30000] [--home DIR] [--docs infra/docs]

For each number of customers of the simulated shop: the first load of 361 days, the weekly compaction, the night after
it, and that night again, when there is nothing to do; then the same for half the history. The product runs through its
DAGs, as `make nightly` runs them. Its tables and its peers' must be equal in content, or the command fails. Everything
is in `--home` (by default CHURN_HOME/bench): raw files and the model are kept for the next time; bench.json, bench.md
and bench.svg are the results. `--docs` copies the latter two.

CPU seconds are of all processes, Spark's JVM and its Python workers too; on a busy machine they and their ratios are
more reliable than the clock.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from infra.bench.nights import duckdb_night, polars_night
from infra.bench.nights.equality import hash_peer, read_product, require_equal
from infra.bench.nights.floor import Floor
from infra.bench.nights.homes import (
    HALF_DAY,
    LOADED_DAY,
    NIGHT,
    SHOP_FILE,
    halve_home,
    keep_model,
    lend_model,
    make_home,
)
from infra.bench.nights.results import write_results
from infra.bench.nights.runs import PEERS, Run, find_state, run_compaction, run_peer, run_product
from infra.bench.processes import adopt_orphans
from infra.demo.simulated.simulate import LOGS, SHOP
from infra.local import warehouse
from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import make_environment, read_settings
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command

READERS = {"duckdb": duckdb_night.read_tables, "polars": polars_night.read_tables}
SIZES = (3_000, 30_000)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="CUSTOMERS")
    parser.add_argument("--home", type=Path, default=read_settings().home / "bench", metavar="DIR")
    parser.add_argument("--docs", type=Path, metavar="DIR", help="gets bench.md and bench.svg")
    arguments = parser.parse_args(argv)
    adopt_orphans()
    folder, runs = arguments.home.resolve(), list[Run]()
    for customers in sorted(arguments.sizes):
        for run in measure_size(folder, customers):
            print(f"{customers:,} customers, {run.engine}, {run.case}: {run.sum_cpu():.1f} CPU s", flush=True)
            runs.append(run)
            files = write_results(folder, runs)
    for file in files if arguments.docs else ():
        shutil.copy(file, arguments.docs)


def measure_size(folder: Path, customers: int) -> Iterator[Run]:
    home = make_home(folder, customers, make_environment([SHOP_FILE], {"CHURN_HOME": str(folder / str(customers))}))
    yield from measure_home(home, folder, customers, "", None)
    yield from measure_home(halve_home(home), folder, customers, ", half the history", HALF_DAY)


def measure_home(home: Path, folder: Path, customers: int, suffix: str, since: date | None) -> Iterator[Run]:
    """The first load, a night, and for a whole history that night again. since: the day of the first files."""
    environment = make_environment([SHOP_FILE], {"CHURN_HOME": str(home), "CHURN_WAREHOUSE_URL": EMBEDDED})
    settings, shop = Settings(home, warehouse_url=EMBEDDED), load_shop(SHOP_FILE)
    warehouse.start(settings)
    try:
        with_floor = floor_of(home)
        yield with_floor(run_product(customers, f"first load{suffix}", environment, [f"etl@{LOADED_DAY}"]), None)
        model = keep_model(home, folder)
        if model is None:
            yield run_product(customers, "training", environment, [f"train@{LOADED_DAY}"], ["--promote"])
            model = keep_model(home, folder)
        if model:
            lend_model(model, shop, settings)
        yield run_compaction(customers, suffix, environment, NIGHT)
        night = [f"etl@{NIGHT}", f"score@{NIGHT}"]
        yield with_floor(run_product(customers, f"night{suffix}", environment, night), LOADED_DAY)
        if since is None:
            yield run_product(customers, "night with nothing to do", environment, night)
    finally:
        EmbeddedPostgres(home).stop()
    product = read_product(Lake(settings.lake(SHOP)), NIGHT)
    for engine in PEERS:
        for case, as_of, after in (("first load", LOADED_DAY, None), ("night", NIGHT, LOADED_DAY)):
            yield run_peer(engine, customers, f"{case}{suffix}", home, as_of, after, environment)
        tables = {name: pl.DataFrame(table) for name, table in READERS[engine](find_state(home, engine)).items()}
        require_equal(engine, hash_peer(tables, shop, settings), product)


def floor_of(home: Path) -> Callable[[Run, date | None], Run]:
    """Adds the floor to a run of the product that reads the files after this day."""
    files = [file for log in LOGS for file in sorted((home / "landing" / SHOP / log).iterdir())]
    floor, lake = Floor.measure(files), Lake(Settings(home).lake(SHOP))

    def with_floor(run: Run, after: date | None) -> Run:
        last = NIGHT if after else LOADED_DAY
        read = [file for file in files if (str(after) if after else "") < file.name[:10] <= str(last)]
        tables = sum(lake.sizes(CUSTOMER_DAY).values()) + lake.sizes(CUSTOMER_SERIES)[str(last)]
        run.floor_seconds = floor.find_seconds(read, tables)
        return run

    return with_floor


if __name__ == "__main__":
    sys.exit(run_command(main))
