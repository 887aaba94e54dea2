"""Does a night with its lake in an object store give the same content as with its lake in a folder?

Run as a program, this file runs the night: `python -m tests.flows.test_object_store HOME SHOP.toml`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from datetime import date
from pathlib import Path
from secrets import token_hex

import psycopg
import pytest

from spark_jobs import churn_risk, clean, customer_day, customer_series, publish
from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, EVENTS, quarantine
from spark_jobs.contract.tables import churn_risk as risk_table
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.object_store import S3A_JARS
from spark_jobs.runtime.session import open_session
from spark_jobs.warehouse.connection import connect
from tests.flows.test_older_release import RELEASE
from tests.object_store import BUCKET, ROOT, object_store

NIGHT = date(2024, 3, 31)


def run_histories(open_spark, settings: Settings, shop_file: Path) -> Lake:
    shop = load_shop(shop_file)
    lake = Lake(settings.lake(shop.name))
    connect(settings).prepare(shop)
    for log in shop.sources:
        clean.run(open_spark, lake, shop, log, NIGHT, settings)
    customer_day.run(open_spark, lake, shop, NIGHT)
    customer_series.run(open_spark, lake, shop, NIGHT, CUSTOMER_SERIES)
    publish.publish_run(lake, shop, "etl", NIGHT)
    return lake


def run_night(open_spark, settings: Settings, shop_file: Path) -> Lake:
    shop, lake = load_shop(shop_file), run_histories(open_spark, settings, shop_file)
    churn_risk.run(open_spark, lake, connect(settings), shop, NIGHT)
    publish.publish_run(lake, shop, "score", NIGHT)
    return lake


def make_home(folder: Path, warehouse_url: str) -> Settings:
    """A home with raw files, a model and its warehouse, and no lake."""
    with tarfile.open(RELEASE / "release.tar.xz") as archive:
        archive.extractall(folder, filter="data", members=[m for m in archive if not m.name.startswith("lake")])
    name = f"stored_{token_hex(4)}"
    with psycopg.connect(warehouse_url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    url = warehouse_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url) as database:
        database.execute((folder / "warehouse.sql").read_text().replace("{home}", str(folder)))
    (folder / "shop.toml").write_text((RELEASE / "shop.toml").read_text())
    return Settings(folder, warehouse_url=url, id_key_hex="5a" * 32, control_key_hex="5a" * 32)


def read_tables(lake: Lake, shop_file: Path) -> dict[str, list[str]]:
    """Table to its rows without what differs from run to run."""
    risk = risk_table(load_shop(shop_file).churn.horizons_days)
    tables = [*EVENTS.values(), *map(quarantine, LOGS), CUSTOMER_DAY, CUSTOMER_SERIES, risk, ACCOUNTS, DELIVERIES]
    found = {}
    for table in tables:
        rows = lake.arrow(table)
        kept = [name for name in rows.column_names if not name.endswith("_at") or name == "event_at"]
        found[table.name] = sorted(map(repr, rows.select(kept).to_pylist()))
    return found


@pytest.mark.skipif(not S3A_JARS.is_dir(), reason="needs python -m infra.local.object_store_jars")
def test_a_night_in_an_object_store_equals_one_in_a_folder(spark, warehouse_url, tmp_path, monkeypatch):
    local, stored = (make_home(tmp_path / name, warehouse_url) for name in ("local", "stored"))
    expected = read_tables(run_night(lambda: spark, local, local.home / "shop.toml"), local.home / "shop.toml")
    with object_store(lost_every=10) as variables:
        night = {"CHURN_HOME": str(stored.home), "CHURN_LAKE": f"s3://{BUCKET}/lakes", "CHURN_ID_KEY": "5a" * 32,
                 "CHURN_CONTROL_KEY": "5a" * 32, "CHURN_WAREHOUSE_URL": str(stored.warehouse_url),
                 "CHURN_SPARK_MASTER": "local[2]"}  # fmt: skip
        command = [sys.executable, "-m", "tests.flows.test_object_store"]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | variables | night, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "test-secret" not in done.stdout + done.stderr
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        found = read_tables(Lake(f"s3://{BUCKET}/lakes/corner"), stored.home / "shop.toml")
    assert found == expected
    assert all(expected[table] for table in ("purchases", "customer_day", "customer_series", "churn_risk"))
    assert not (stored.home / "lake").exists()


def main() -> None:
    settings = Settings.from_environment()
    run_night(lambda: open_session("night", settings), settings, settings.home / "shop.toml")


if __name__ == "__main__":
    main()
