"""The screen of make status: which days have no file, and when that means late."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import psycopg
import pyarrow as pa
import pytest

from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import LIVE_DATABASE
from infra.local.status import describe_failures, describe_files, describe_model, describe_newest, describe_records
from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import ColumnMapping, DeliveryDay, Source
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.records import ModelRecord

FIRST = date(2026, 11, 2)  # a Monday


def make_shop(**options) -> Shop:
    columns = {"customer_id": ColumnMapping("c"), "event_at": ColumnMapping("at")}
    sources = {
        log: Source(log, "raw", "*", "csv", columns, delivery_day=DeliveryDay("(.*)"))
        for log in ("purchases", "reviews")
    }
    return Shop("corner", "UTC", "EUR", sources, **options)


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def deliver(lake: Lake, log: str, *days: date) -> None:
    def add(current: pa.Table) -> pa.Table:
        rows = [
            {"delivery_id": str(day), "path": str(day), "sha256": "", "byte_count": 1, "modified_at": datetime.now(UTC),
             "delivery_day": day, "not_before": None, "seen_as_of": day, "log": log}
            for day in days
        ]  # fmt: skip
        return pa.Table.from_pylist(rows, schema=current.schema)

    lake.update(DELIVERIES, log, add)


def after(days: int) -> date:
    return FIRST + timedelta(days=days)


def test_only_open_days_are_missed(lake):
    deliver(lake, "purchases", FIRST, after(1), after(3), after(4), after(7))  # no Wednesday, no weekend
    (line,) = describe_files(make_shop(closed_days=("saturday", "sunday")), lake, after(7))
    assert (line.text, line.is_wrong) == ("days that are not closed and have no file: 1, the last 2026-11-04", False)
    assert list(describe_files(make_shop(closed_days=("saturday", "sunday", after(2))), lake, after(7))) == []


def test_only_the_log_that_scores_need_is_late(lake):
    deliver(lake, "purchases", FIRST)
    deliver(lake, "reviews", FIRST)
    lines = {line.topic: line.is_wrong for line in describe_files(make_shop(), lake, after(1))}
    assert lines == {"purchases files": True, "reviews files": False}


def test_a_shop_whose_files_may_have_ended_is_told_to_set_end_date():
    daily, ended = make_shop(), make_shop(end_date=after(0))
    sources = {log: replace(source, delivery_day=None) for log, source in daily.sources.items()}
    dump = replace(daily, sources=sources)
    advised = [
        (shop, late) for shop in (daily, dump, ended) for late in (0, 3, 31)
        if "set end_date in shop.toml" in describe_newest(shop, FIRST, after(late)).text
    ]  # fmt: skip
    assert advised == [(daily, 31), (dump, 3), (dump, 31)]
    assert "set end_date" in describe_newest(dump, None, after(3)).text
    assert "set end_date" not in describe_newest(daily, None, after(3)).text


def test_unbalanced_accounts_are_reported(lake):
    account = {
        "delivery_id": "d", "path": "f", "lines_in": 10, "clean": 6, "quarantined": 1, "duplicates": 1, "elsewhere": 2,
        "first_delivery_day": FIRST, "last_delivery_day": FIRST, "log": "purchases",
    }  # fmt: skip

    def has_warning(**changes) -> bool:
        lake.update(ACCOUNTS, "purchases", lambda now: pa.Table.from_pylist([account | changes], schema=now.schema))
        return next(iter(describe_records(make_shop(), lake))).is_wrong

    assert [has_warning(), has_warning(clean=5), has_warning(clean=3, quarantined=4)] == [False, True, True]


@pytest.fixture
def server(tmp_path):
    server = EmbeddedPostgres(tmp_path)
    yield server
    server.stop()


def test_the_newest_run_of_each_dag_is_found_in_either_database(tmp_path, server):
    (tmp_path / "airflow").mkdir()
    with closing(sqlite3.connect(tmp_path / "airflow" / "airflow.db")) as database, database:
        database.execute("CREATE TABLE dag_run (dag_id, start_date, state)")
        runs = [
            ("churn_etl__corner", "2026-11-20 02:00:00", "success"),
            ("churn_etl__corner", "2026-11-19 02:00:00", "failed"),
            ("churn_score__corner", "2026-11-20 02:09:00", "failed"),
            ("churn_score__corner", None, "queued"),
            ("churn_score__other", "2026-11-21 02:00:00", "failed"),
        ]
        database.executemany("INSERT INTO dag_run VALUES (?, ?, ?)", runs)
    line = describe_failures(make_shop(), Settings(tmp_path))
    assert line.is_wrong
    assert line.text.startswith("failed: churn_score__corner at 2026-11-20 02:09 UTC;")

    live = server.open_database(LIVE_DATABASE)
    assert describe_failures(make_shop(), Settings(tmp_path)).is_wrong  # Airflow has not made its tables yet
    with psycopg.connect(live) as database:
        database.execute("CREATE TABLE dag_run (dag_id text, start_date timestamptz, state text)")
        run = ("churn_score__corner", "2026-11-20 02:10:00+00", "success")
        database.execute("INSERT INTO dag_run VALUES (%s, %s, %s)", run)
    assert not describe_failures(make_shop(), Settings(tmp_path)).is_wrong


class Registry:
    """A warehouse with one model for these horizons."""

    def __init__(self, *horizons: int):
        metrics = {f"{days}d": {} for days in horizons}
        self.model = ModelRecord("v1", "recency", "", "", FIRST, True, metrics, datetime.now(UTC))

    def model_for(self, shop: Shop, as_of: date) -> tuple[ModelRecord, bool]:
        return self.model, False


@pytest.mark.parametrize(("learned", "missing"), [((30, 60, 90), ""), ((30, 60), "has not learned 90 days")])
def test_status_reports_a_horizon_that_the_model_has_not_learned(learned, missing):
    line = describe_model(make_shop(), Registry(*learned), FIRST)
    assert ("has not learned" in line.text, missing in line.text) == (bool(missing), True)
