"""Do readers see only complete runs, whatever is loaded, repeated or killed?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from spark_jobs.contract.errors import AuditError
from spark_jobs.warehouse.scores import remove_invisible_rows
from tests.spark_jobs.warehouse.support import DAY, make_rows, publish, select

ROOT = Path(__file__).resolve().parents[3]


def test_published_rows_are_the_given_rows(warehouse, shop):
    rows = make_rows("cab", reason=None, reason_effect=None)
    assert publish(warehouse, shop, "run-1", ds.dataset(rows)) is True

    found = warehouse.top_at_risk(shop, 10)
    assert [row["customer_id"] for row in found] == ["b", "a", "c"]
    assert {row["run_id"] for row in found} == {"run-1"}
    contract_columns = [{name: row[name] for name in rows.column_names} for row in found]
    assert contract_columns == rows.sort_by([("spend_at_risk", "descending")]).to_pylist()


def test_run_is_published_once(warehouse, shop):
    assert publish(warehouse, shop, "run-1") is True
    before = select(warehouse, shop, "SELECT ctid, * FROM churn_risk ORDER BY customer_id")
    assert publish(warehouse, shop, "run-1", make_rows("xyz")) is False
    assert select(warehouse, shop, "SELECT ctid, * FROM churn_risk ORDER BY customer_id") == before


def test_new_run_supersedes_and_history_keeps_both(warehouse, shop):
    publish(warehouse, shop, "run-1", make_rows("abc"), lake_version=1)
    publish(warehouse, shop, "run-2", make_rows("ab"), lake_version=2, is_hindsight=True)

    first, second = warehouse.published(shop)
    assert (first.run_id, first.rows, first.lake_version, first.is_hindsight) == ("run-1", 3, 1, False)
    assert (second.run_id, second.rows, second.lake_version, second.is_hindsight) == ("run-2", 2, 2, True)
    assert first.superseded_at == second.published_at
    assert second.superseded_at is None
    for view in ("current_churn_risk", "churn_risk_history"):
        assert select(warehouse, shop, f"SELECT DISTINCT run_id FROM {view}") == [("run-2",)]
    assert select(warehouse, shop, "SELECT count(*) FROM churn_risk") == [(5,)]


def test_late_retry_of_a_superseded_run_does_not_bring_it_back(warehouse, shop):
    publish(warehouse, shop, "run-1")
    publish(warehouse, shop, "run-2")
    assert publish(warehouse, shop, "run-1") is False
    assert [run.run_id for run in warehouse.published(shop) if run.superseded_at is None] == ["run-2"]


def test_current_view_shows_the_newest_day_and_history_all(warehouse, shop):
    for day in (DAY, DAY - timedelta(days=1), DAY - timedelta(days=40)):
        publish(warehouse, shop, f"run {day}", make_rows("a", day), day)

    assert select(warehouse, shop, "SELECT DISTINCT as_of FROM current_churn_risk") == [(DAY,)]
    assert select(warehouse, shop, "SELECT count(DISTINCT as_of) FROM churn_risk_history") == [(3,)]
    partitions = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'churn_risk'::regclass ORDER BY 1"
    assert select(warehouse, shop, partitions) == [("churn_risk_2011_07",), ("churn_risk_2011_09",)]


def test_day_without_eligible_customers_is_published_too(warehouse, shop):
    publish(warehouse, shop, "run-1", as_of=DAY - timedelta(days=1))
    assert publish(warehouse, shop, "run-2", make_rows("")) is True
    assert warehouse.top_at_risk(shop, 10) == []


@pytest.mark.parametrize(("rows", "finding"), [
    (make_rows("aba"), "duplicate key"),
    (pa.concat_tables([make_rows("a"), make_rows("b", DAY - timedelta(days=1))]), "1 of 2 rows are of another day"),
    (ds.dataset(pa.concat_tables([make_rows("a"), make_rows("bc", date(1999, 1, 1))])), "2 of 3 rows are of another"),
    (make_rows("a", band=None), 'null value in column "band"'),
    (make_rows("a").drop_columns(["band", "p_churn_60d"]), "p_churn_60d is missing; column band is missing"),
    (make_rows("a").set_column(0, "customer_id", pa.array([7])), "customer_id: expected string, found bigint"),
])  # fmt: skip
def test_rows_that_break_the_contract_leave_the_earlier_run_visible(warehouse, shop, rows, finding):
    publish(warehouse, shop, "run-1", make_rows("ab"))

    with pytest.raises(AuditError, match=finding) as failure:
        publish(warehouse, shop, "run-2", rows)

    assert "\n" not in str(failure.value)
    assert {row["run_id"] for row in warehouse.top_at_risk(shop, 10)} == {"run-1"}
    assert [run.run_id for run in warehouse.published(shop)] == ["run-1"]
    assert select(warehouse, shop, "SELECT count(*) FROM churn_risk") == [(2,)]


KILLED_LOADER = """
import os
import tests.spark_jobs.warehouse.support as t
import spark_jobs.warehouse.scores as publishing
from spark_jobs.warehouse.postgres import PostgresWarehouse

original = getattr(publishing, step)

def die_amid_rows(*arguments):
    yield next(original(*arguments))
    os._exit(9)

def die_after(*arguments):
    original(*arguments)
    os._exit(9)

setattr(publishing, step, die_amid_rows if step == "_make_batches" else die_after)
t.publish(PostgresWarehouse(os.environ["URL"]), t.make_shop(shop_name), "run-2", t.make_rows("abcde"))
"""


@pytest.mark.parametrize("step", ["_make_batches", "_move_pointer"])
def test_killed_loader_leaves_the_earlier_run_whole_and_the_retry_succeeds(warehouse, shop, step):
    publish(warehouse, shop, "run-1", make_rows("abc"))
    code = f"step, shop_name = {step!r}, {shop.name!r}\n{KILLED_LOADER}"
    environment = {**os.environ, "URL": warehouse.url}
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)

    assert killed.returncode == 9, killed.stderr
    visible = "SELECT run_id, count(*) FROM current_churn_risk GROUP BY run_id"
    assert select(warehouse, shop, visible) == [("run-1", 3)]
    assert publish(warehouse, shop, "run-2", make_rows("abcde")) is True
    assert select(warehouse, shop, visible) == [("run-2", 5)]
    assert select(warehouse, shop, "SELECT count(*) FROM churn_risk") == [(8,)]


def test_concurrent_loaders_of_one_day_leave_one_run_visible(warehouse, shop):
    runs = ["run-1", "run-2", "run-1", "run-3"]
    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(lambda run: publish(warehouse, shop, run), runs))

    assert sorted(outcomes) == [False, True, True, True]
    assert len(warehouse.published(shop)) == 3
    assert select(warehouse, shop, "SELECT count(*) FROM current_churn_risk") == [(3,)]


def test_an_open_reader_blocks_no_publish_and_keeps_its_snapshot(warehouse, shop):
    publish(warehouse, shop, "run-1", make_rows("abc"))
    query = f"SELECT count(*) FROM {shop.name}.current_churn_risk"
    with psycopg.connect(warehouse.url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert reader.execute(query).fetchone() == (3,)
        begin = time.monotonic()
        publish(warehouse, shop, "run-2", make_rows("a"))
        publish(warehouse, shop, "next month", as_of=DAY + timedelta(days=40))  # makes a partition
        assert time.monotonic() - begin < 5
        assert reader.execute(query).fetchone() == (3,)


def test_only_old_rows_that_were_never_visible_are_removed(warehouse, shop):
    publish(warehouse, shop, "run-1")
    publish(warehouse, shop, "run-2")
    # Copies of run-1 as a load in parts, and one that was lost, would have left them.
    copy = """INSERT INTO churn_risk SELECT copy.* FROM churn_risk AS risk, LATERAL jsonb_populate_record(
                  risk, jsonb_build_object('run_id', %s::text, 'scored_at', now() - %s::interval)) AS copy
              WHERE risk.run_id = 'run-1' RETURNING 1"""
    select(warehouse, shop, copy, "lost", "25 hours")
    select(warehouse, shop, copy, "loading", "23 hours")
    age = "UPDATE churn_risk SET scored_at = now() - interval '99 hours' WHERE run_id = 'run-1' RETURNING 1"
    select(warehouse, shop, age)

    with psycopg.connect(warehouse.url) as connection:
        assert remove_invisible_rows(connection, shop.name) == 3
    left = "SELECT run_id, count(*) FROM churn_risk GROUP BY run_id ORDER BY run_id"
    assert select(warehouse, shop, left) == [("loading", 3), ("run-1", 3), ("run-2", 3)]
