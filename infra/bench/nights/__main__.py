"""What does a night cost, by step, on Spark and on Sail, and what would DuckDB and Polars need for the same work?

    python -m infra.bench.nights [--sizes 3000 30000] [--engines connect sail] [--home DIR] [--docs infra/docs]

For each number of customers of the simulated shop, and on each engine (the values of CHURN_ENGINE; the environment's
own does not matter): the first load of 361 days, the weekly compaction, the night after it, and that night again, when
there is nothing to do; then the same for half the history. The product runs through its DAGs, as `make nightly` runs
them, and every run starts its engine anew. The command fails unless all engines make tables with the same rows, and the
peers customer_day and customer_series with the same content. Everything is in `--home` (by default CHURN_HOME/bench):
raw files and the model are kept for the next time; bench.json, bench.md and bench.svg are the results. `--docs` copies
the latter two.

CPU seconds are of all processes, Spark's JVM and its Python workers too; on a busy machine they and their ratios are
more reliable than the clock.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from infra.bench.nights import duckdb_night, polars_night
from infra.bench.nights.equality import hash_peer, read_product, require_equal, require_same_lakes
from infra.bench.nights.floor import Floor
from infra.bench.nights.homes import (
    HALF_DAY,
    LOADED_DAY,
    NIGHT,
    SHOP_FILE,
    halve_home,
    keep_model,
    lend_home,
    lend_model,
    make_engine_environment,
    make_home,
)
from infra.bench.nights.results import HALF, write_results
from infra.bench.nights.runs import PEERS, Run, find_state, run_compaction, run_peer, run_product
from infra.bench.processes import adopt_orphans
from infra.demo.simulated.simulate import LOGS, SHOP
from infra.local import warehouse
from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import read_settings
from spark_jobs.contract.settings import CONNECT, EMBEDDED, ENGINES, SAIL, Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import run_command
from spark_jobs.runtime.java import check_java
from spark_jobs.runtime.sail_server import find_packages

READERS = {"duckdb": duckdb_night.read_tables, "polars": polars_night.read_tables}
SIZES = (3_000, 30_000)


@dataclass(frozen=True)
class History:
    """The raw files of a shop of this size; since: the day of the first ones, None if all are there."""

    raw: Path
    customers: int
    since: date | None = None

    @property
    def suffix(self) -> str:
        return HALF if self.since else ""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="CUSTOMERS")
    parser.add_argument("--engines", nargs="+", default=[CONNECT, SAIL], choices=ENGINES)
    parser.add_argument("--home", type=Path, default=read_settings().home / "bench", metavar="DIR")
    parser.add_argument("--docs", type=Path, metavar="DIR", help="gets bench.md and bench.svg")
    arguments = parser.parse_args(argv)
    engines = list(dict.fromkeys(arguments.engines))
    require_installed(engines)
    adopt_orphans()
    folder, runs = arguments.home.resolve(), list[Run]()
    for customers in sorted(arguments.sizes):
        for run in measure_size(folder, customers, engines):
            print(f"{customers:,} customers, {run.engine}, {run.case}: {run.sum_cpu():.1f} CPU s", flush=True)
            runs.append(run)
            files = write_results(folder, runs)
    for file in files if arguments.docs else ():
        shutil.copy(file, arguments.docs)


def require_installed(engines: Sequence[str]) -> None:
    """Raises ChurnError before anything is measured if an engine could not start."""
    if SAIL in engines:
        find_packages()
    if {*engines} - {SAIL}:
        check_java()


def measure_size(folder: Path, customers: int, engines: Sequence[str]) -> Iterator[Run]:
    raw = make_home(folder, customers)
    yield from measure_history(folder, History(raw, customers), engines)
    yield from measure_history(folder, History(halve_home(raw), customers, HALF_DAY), engines)


def measure_history(folder: Path, history: History, engines: Sequence[str]) -> Iterator[Run]:
    homes = {engine: lend_home(history.raw, engine) for engine in engines}
    for engine, home in homes.items():
        yield from measure_engine(folder, history, engine, home)
    require_same_lakes({engine: Lake(Settings(home).lake(SHOP)) for engine, home in homes.items()})
    yield from measure_peers(history, homes)


def measure_engine(folder: Path, history: History, engine: str, home: Path) -> Iterator[Run]:
    """The first load, a night, and for a whole history that night again."""
    environment, customers = make_engine_environment(home, engine), history.customers
    settings, shop = Settings(home, warehouse_url=EMBEDDED), load_shop(SHOP_FILE)
    with_floor, suffix = floor_of(home), history.suffix
    warehouse.start(settings)
    try:
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
        if history.since is None:
            yield run_product(customers, "night with nothing to do", environment, night)
    finally:
        EmbeddedPostgres(home).stop()


def measure_peers(history: History, homes: Mapping[str, Path]) -> Iterator[Run]:
    """The peers' first load and night, whose tables must be those of the product on the first engine."""
    engine, home = next(iter(homes.items()))
    environment, settings, shop = make_engine_environment(home, engine), Settings(home), load_shop(SHOP_FILE)
    product = read_product(Lake(settings.lake(SHOP)), NIGHT)
    for peer in PEERS:
        for case, as_of, after in (("first load", LOADED_DAY, None), ("night", NIGHT, LOADED_DAY)):
            name = f"{case}{history.suffix}"
            yield run_peer(peer, history.customers, name, history.raw, as_of, after, environment)
        tables = {name: pl.DataFrame(table) for name, table in READERS[peer](find_state(history.raw, peer)).items()}
        require_equal(peer, hash_peer(tables, shop, settings), "the product", product)


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
