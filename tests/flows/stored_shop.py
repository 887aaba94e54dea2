"""A small shop with its model, for tests that compare where its lake is and where its jobs run.

As a program it runs the jobs of some nights in one process: `python -m tests.flows.stored_shop SHOP.toml STEP …`.
A step is a name of STEPS with the night, like score@2024-03-31.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from secrets import token_hex

import psycopg
from pyarrow import fs
from pyspark.serializers import CloudPickleSerializer

from spark_jobs import (
    churn_risk,
    clean,
    contact_plan,
    customer_day,
    customer_series,
    erase,
    maintain,
    night_report,
    publish,
    quarantine,
    rebuild,
)
from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_DAY_MONTHS, CUSTOMER_SERIES, EVENTS, TRAINING_SERIES
from spark_jobs.contract.tables import churn_risk as risk_table
from spark_jobs.contract.tables import quarantine as quarantine_table
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.session import SparkOpener, open_session
from spark_jobs.warehouse.__main__ import load_scores
from spark_jobs.warehouse.connection import connect

RELEASE = Path(__file__).parents[1] / "fixtures" / "release_0"
NIGHTS = [date(2024, 3, 29), date(2024, 3, 30), date(2024, 3, 31)]
SHOP_NAME = "corner"
KEYS = {"CHURN_ID_KEY": "5a" * 32, "CHURN_CONTROL_KEY": "5a" * 32}
CONTACT = """[contact]
capacity_per_night = 3
cost = 0.01
success_rate = 0.9
margin = 0.9
control_share = 0.3
"""
#: In the file of the second night: a price that is no number, and a purchase that the file of the first night has.
FAULTY = "c1,2024-03-30 10:00,p1,k1,2,a pound"


def make_shop(folder: Path, warehouse_url: str) -> tuple[Settings, Path]:
    """A home with raw files, a model and its warehouse, but no lake; and shop.toml, which is outside the home."""
    home = folder / "home"
    with tarfile.open(RELEASE / "release.tar.xz") as archive:
        archive.extractall(home, filter="data", members=[m for m in archive if not m.name.startswith("lake")])
    before, file = (home / "raw" / f"purchases_{night}.csv" for night in NIGHTS[:2])
    file.write_text(file.read_text() + f"{FAULTY}\n{before.read_text().splitlines()[1]}\n")
    name = f"stored_{token_hex(4)}"
    with psycopg.connect(warehouse_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    url = warehouse_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url) as database:
        database.execute((home / "warehouse.sql").read_text().replace("{home}", str(home)))
    shop_file = folder / "shop.toml"
    closed = f"closed_days = [{', '.join(map(str, NIGHTS))}]\n"  # no wait: Airflow needs s3fs to look into the store
    shop_file.write_text((RELEASE / "shop.toml").read_text().replace("[churn]\n", f"{closed}{CONTACT}[churn]\n"))
    return Settings(home, warehouse_url=url, id_key_hex="5a" * 32, control_key_hex="5a" * 32), shop_file


def move_to_store(settings: Settings, shop_file: Path, raw: str, lakes: str) -> None:
    """Moves raw files and models into the object store, and tells shop.toml and the warehouse."""
    models, there = settings.home / "models" / SHOP_NAME, Settings(settings.home, lake_place=lakes).models(SHOP_NAME)
    for folder, url in ((settings.home / "raw", raw), (models, there)):
        target = Location.parse(url)
        fs.copy_files(str(folder), target.path, destination_filesystem=target.file_system)
        for file in folder.rglob("*.*"):
            if file.is_file():
                file.unlink()
    shop_file.write_text(shop_file.read_text().replace("{home}/raw", raw))
    connect(settings).move_models(load_shop(shop_file), str(models), there)


def make_variables(settings: Settings, lakes: str | None = None) -> dict[str, str]:
    """The environment of a job of this home."""
    place = {"CHURN_LAKE": lakes} if lakes else {}
    return {"CHURN_HOME": str(settings.home), "CHURN_WAREHOUSE_URL": str(settings.warehouse_url), **KEYS, **place}


def read_tables(lake: Lake, shop_file: Path) -> dict[str, list[str]]:
    """Table to its rows without what differs from run to run: instants, and a model's version, which is a hash of what
    its card says, such as the names of the files that it was trained on."""
    risk = risk_table(load_shop(shop_file).churn.horizons_days)
    tables = [*EVENTS.values(), *map(quarantine_table, LOGS), CUSTOMER_DAY, CUSTOMER_DAY_MONTHS, CUSTOMER_SERIES,
              TRAINING_SERIES, risk, ACCOUNTS, DELIVERIES]  # fmt: skip
    found = {}
    for table in tables:
        rows = lake.arrow(table)
        differ = {name for name in rows.column_names if name.endswith("_at")} - {"event_at"} | {"model_version"}
        kept = [name for name in rows.column_names if name not in differ]
        found[table.name] = sorted(map(repr, rows.select(kept).to_pylist()))
    return found


def build_histories(open_spark: SparkOpener, settings: Settings, shop_file: Path, night: date) -> Lake:
    shop = load_shop(shop_file)
    lake = Lake(settings.lake(shop.name))
    connect(settings).prepare(shop)
    for log in shop.sources:
        clean.run(open_spark, lake, shop, log, night, settings)
    customer_day.run(open_spark, lake, shop, night)
    customer_series.run(open_spark, lake, shop, night, CUSTOMER_SERIES)
    publish.publish_run(lake, shop, "etl", night)
    return lake


def read_lists(settings: Settings, shop_file: Path) -> dict[str, list[str]]:
    """What the warehouse says about the newest night, without what differs from run to run."""
    shop, found = load_shop(shop_file), {}
    for name in ("current_scores", "contact_list"):
        rows = connect(settings).read(shop, name)
        kept = [column for column in rows.column_names if not column.endswith(("_at", "run_id", "model_version"))]
        found[name] = sorted(map(repr, rows.select(kept).to_pylist()))
    return found


def score(open_spark: SparkOpener, settings: Settings, shop_file: Path, night: date) -> None:
    shop, warehouse = load_shop(shop_file), connect(settings)
    lake = Lake(settings.lake(shop.name))
    churn_risk.run(open_spark, lake, warehouse, shop, night)
    publish.publish_run(lake, shop, "score", night)
    load_scores(warehouse, lake, shop, night)
    if shop.contact:
        contact_plan.run_day(warehouse, shop, shop.contact, night, settings.control_key())


def report(_: SparkOpener, settings: Settings, shop_file: Path, night: date) -> None:
    shop = load_shop(shop_file)
    lake = Lake(settings.lake(shop.name))
    night_report.write_page(lake, connect(settings), shop, night, settings.reports(shop.name))


def train(open_spark: SparkOpener, settings: Settings, shop_file: Path, night: date) -> None:
    shop = load_shop(shop_file)
    customer_series.run(open_spark, Lake(settings.lake(shop.name)), shop, night, TRAINING_SERIES)
    command = ["-m", "training.train", "--shop", str(shop_file), "--as-of", str(night), "--promote"]
    subprocess.run([sys.executable, *command], check=True)


def correct(_: SparkOpener, settings: Settings, shop_file: Path, night: date) -> None:
    """Corrects the faulty record as a person would; the next night reads it."""
    shop, file = load_shop(shop_file), settings.home / "fixed.jsonl"
    lake = Lake(settings.lake(shop.name))
    chosen = argparse.Namespace(log="purchases", file=file, reason=None, day=night)
    quarantine.write_fixes(lake, shop, settings, chosen)
    (line,) = file.read_text().splitlines()
    file.write_text(json.dumps(json.loads(line) | {"price": "3.50"}) + "\n")
    quarantine.replay(lake, shop, settings, "purchases", file)


def keep_up(_: SparkOpener, settings: Settings, shop_file: Path, night: date) -> None:
    """What churn_maintenance does."""
    shop = load_shop(shop_file)
    lake = Lake(settings.lake(shop.name))
    maintain.compact(lake, night, is_dry_run=False)
    maintain.retain(lake, connect(settings), shop, settings.reports(shop.name), night, is_dry_run=False)
    maintain.vacuum(lake, shop, is_dry_run=False)


def erase_customer(_: SparkOpener, settings: Settings, shop_file: Path, night: date) -> None:
    shop, warehouse = load_shop(shop_file), connect(settings)
    lake = Lake(settings.lake(shop.name))
    person = erase.find_person(lake, warehouse, shop, settings, "c1")
    erase.erase(lake, warehouse, shop, settings, person, night)


def rebuild_all(open_spark: SparkOpener, settings: Settings, shop_file: Path, _: date) -> None:
    shop = load_shop(shop_file)
    rebuild.run(open_spark, Lake(settings.lake(shop.name)), shop, settings)


STEPS: dict[str, Callable[[SparkOpener, Settings, Path, date], object]] = {
    "histories": build_histories, "train": train, "score": score, "report": report, "correct": correct,
    "maintain": keep_up, "erase": erase_customer, "rebuild": rebuild_all,
}  # fmt: skip


def watch_code() -> list[tuple[str, bytes]]:
    """From now on gets the module and the pickled code of each Python function that is sent to executors."""
    sent: list[tuple[str, bytes]] = []
    pickle = CloudPickleSerializer.dumps

    def record(serializer, command):
        code = pickle(serializer, command)
        sent.append((command[0].__module__ if isinstance(command, tuple) else "", code))
        return code

    CloudPickleSerializer.dumps = record
    return sent


def open_quick_session(settings: Settings):
    """Generating and compiling code for each of hundreds of tiny queries takes longer than running them."""
    session = open_session("stored shop", settings)
    session.conf.set("spark.sql.codegen.wholeStage", "false")
    session.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    return session


def main(shop_file: str, *steps: str) -> None:
    settings, sent = Settings.from_environment(), watch_code()
    for name, _, night in (step.partition("@") for step in steps):
        STEPS[name](partial(open_quick_session, settings), settings, Path(shop_file), date.fromisoformat(night))
    if settings.lake_place:
        print("sent to executors:", *sorted({module for module, _ in sent}))
        if any(str(settings.home).encode() in code for _, code in sent):
            sys.exit(f"executors got a path of {settings.home}")


if __name__ == "__main__":
    main(*sys.argv[1:])
