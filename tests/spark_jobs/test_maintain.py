"""Does maintenance remove only what is not needed, and change no result? On a real lake and PostgreSQL."""

from __future__ import annotations

import json
import os
import time
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from spark_jobs import maintain
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_DAY_MONTHS, CUSTOMER_SERIES, churn_risk
from spark_jobs.lake import delta as _delta
from spark_jobs.lake import run_folder as _run_folder
from spark_jobs.lake import upkeep
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.warehouse.support import DAY, make_shop, publish, select

DEFAULTS = {"string": "x", "date": date(2011, 1, 1), "boolean": False}


def make_table(table: Table, customers: str, **given) -> pa.Table:
    """A row per letter, every column filled with something of its type."""
    row = {
        c.name: [] if c.type.startswith("array") else DEFAULTS.get(c.type, Decimal(0) if "decimal" in c.type else 0)
        for c in table.columns
    }
    rows = [{**row, "customer_id": letter, **given} for letter in customers]
    return pa.Table.from_pylist(rows, arrow_schema(table))


def fill(lake: Lake, table: Table, *days: date) -> None:
    for day in days:
        rows = make_table(table, "ab", **{table.partition: day})
        lake.update(table, day.isoformat(), lambda _, rows=rows: rows)


def age(path, days: float) -> None:
    for part in (path, *path.rglob("*")):
        os.utime(part, (time.time() - days * 86_400,) * 2)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def test_closed_months_are_compacted_once(lake, capsys):
    days = (date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 2), date(2026, 11, 3))
    fill(lake, CUSTOMER_DAY, *days)
    for is_dry_run, kept in ((True, []), (False, ["2026-10"]), (False, ["2026-10"])):  # November is not over
        maintain.compact(lake, date(2026, 11, 20), is_dry_run)
        assert list(lake.partitions(CUSTOMER_DAY_MONTHS)) == kept
    assert [line[-7:] for line in capsys.readouterr().out.splitlines()] == [" 1 of 1", " 1 of 1", " 0 of 0"]
    assert len(lake.partitions(CUSTOMER_DAY)) == len(days)


def test_the_newest_histories_and_400_days_of_scores_stay(lake, tmp_path, warehouse_url):
    shop, warehouse = make_shop("retained"), PostgresWarehouse(warehouse_url)
    warehouse.prepare(shop)
    scores, old, edge = churn_risk(shop.churn.horizons_days), DAY - timedelta(days=401), DAY - timedelta(days=400)
    fill(lake, CUSTOMER_SERIES, *(DAY - timedelta(days=n) for n in range(9)))
    fill(lake, scores, old, edge)
    for day in (old, edge):
        publish(warehouse, shop, f"run {day}", as_of=day)
        (tmp_path / f"night_{day}.html").touch()
    count = "SELECT count(*), count(DISTINCT as_of), min(as_of) FROM {} "

    maintain.retain(lake, warehouse, shop, tmp_path, DAY, is_dry_run=True)
    assert len(lake.partitions(CUSTOMER_SERIES)) == 9
    assert select(warehouse, shop, count.format("churn_risk")) == [(6, 2, old)]
    for _ in range(2):
        maintain.retain(lake, warehouse, shop, tmp_path, DAY, is_dry_run=False)
        assert sorted(lake.partitions(CUSTOMER_SERIES)) == [str(DAY - timedelta(days=n)) for n in range(6, -1, -1)]
        assert list(lake.partitions(scores)) == [str(edge)]
        assert select(warehouse, shop, count.format("churn_risk")) == [(3, 1, edge)]
        assert select(warehouse, shop, count.format("published_runs")) == [(1, 1, edge)]
        assert [page.name for page in tmp_path.glob("night_*")] == [f"night_{edge}.html"]


def test_vacuum_removes_unlisted_files_and_never_files_being_written(lake):
    fill(lake, CUSTOMER_SERIES, DAY)
    folder = lake.folder(CUSTOMER_SERIES) / "data"
    data = Path(folder)
    for name, days in (("run=killed", 8), ("run=at-work", 0.1)):
        _run_folder.write_rows(folder / name, CUSTOMER_SERIES, str(DAY), make_table(CUSTOMER_SERIES, "x", as_of=DAY))
        age(data / name, days)
    (data / "run=empty").mkdir()
    age(data / "run=empty", 8)
    listed = lake.partitions(CUSTOMER_SERIES)
    for files in listed.values():
        for file in files:
            age(data.parent / file, 30)  # old, but listed: kept

    assert len(upkeep.vacuum(lake, CUSTOMER_SERIES, is_dry_run=True)) >= 2
    assert (data / "run=killed").exists()
    upkeep.vacuum(lake, CUSTOMER_SERIES, is_dry_run=False)
    assert not list(data.glob("run=killed/**/*.parquet"))
    assert list(data.glob("run=at-work/**/*.parquet"))
    assert not (data / "run=empty").exists()
    assert lake.partitions(CUSTOMER_SERIES) == listed
    assert lake.arrow(CUSTOMER_SERIES).num_rows == 2
    upkeep.vacuum(lake, CUSTOMER_SERIES, is_dry_run=False)  # again, with nothing to do


@pytest.mark.parametrize(("days", "can_be_opened"), [(40, True), (500, False)])
def test_a_version_can_be_opened_as_long_as_scores_may_name_it(lake, days, can_be_opened):
    assert _delta.LOG_DAYS >= maintain.KEPT_SCORE_DAYS
    for n in range(3):
        fill(lake, CUSTOMER_SERIES, DAY - timedelta(days=n))
    for entry in Path(lake.folder(CUSTOMER_SERIES), "_delta_log").glob("*.json"):
        made = int(1000 * (time.time() - days * 86_400))
        lines = [json.loads(line) for line in entry.read_text().splitlines()]
        for line in lines:
            if "commitInfo" in line:
                line["commitInfo"]["timestamp"] = made
        entry.write_text("\n".join(map(json.dumps, lines)) + "\n")
        age(entry, days)
    upkeep.vacuum(lake, CUSTOMER_SERIES, is_dry_run=False)
    try:
        assert lake.arrow(CUSTOMER_SERIES, version=2).num_rows == 4
        assert can_be_opened
    except MissingInputError:
        assert not can_be_opened


def test_a_removed_day_can_be_rebuilt(lake):
    fill(lake, CUSTOMER_SERIES, DAY)
    upkeep.clear(lake, CUSTOMER_SERIES, [str(DAY)])
    assert lake.partitions(CUSTOMER_SERIES) == {}
    fill(lake, CUSTOMER_SERIES, DAY)
    assert lake.arrow(CUSTOMER_SERIES).num_rows == 2
