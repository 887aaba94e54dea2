"""Is a new warehouse complete, and does an older one keep its data when it is updated?"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config

from spark_jobs import churn_risk
from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.warehouse.postgres import PostgresWarehouse
from spark_jobs.warehouse.schema import migrating
from tests.conftest import ROOT
from tests.spark_jobs.warehouse.support import DAY, make_model, make_shop, publish, select


def bring_back(warehouse: PostgresWarehouse, shop, revision: str) -> None:
    """The layout of this revision of the shop's schema, so that the next prepare has something to do."""
    migrations = migrating._MIGRATIONS
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(warehouse.url))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL search_path TO {shop.name}")
        config = Config(attributes={"connection": connection, "schema": shop.name})
        for option, value in {"script_location": migrations, "version_locations": migrations / "shop"}.items():
            config.set_main_option(option, str(value))
        config.set_main_option("path_separator", "newline")
        command.downgrade(config, revision)
        connection.exec_driver_sql(f"COMMENT ON SCHEMA {shop.name} IS NULL")
    engine.dispose()


def test_a_repeated_prepare_takes_no_lock_that_blocks_readers(warehouse, shop):
    with psycopg.connect(warehouse.url) as reader:
        reader.execute(f"LOCK TABLE {shop.name}.churn_risk, {shop.name}.current_churn_risk IN ACCESS SHARE MODE")
        begin = time.monotonic()
        warehouse.prepare(shop)
    assert time.monotonic() - begin < 5


def test_concurrent_prepares_of_new_shops_succeed(warehouse):
    shops = [make_shop(name) for name in ("side_by_side", "side_by_side", "side_by_side_2")]
    with ThreadPoolExecutor() as pool:
        list(pool.map(warehouse.prepare, shops))
    for shop in shops:
        assert warehouse.published(shop) == []


def test_every_table_view_and_column_has_a_comment(warehouse, shop):
    query = """SELECT relname, attname FROM pg_class AS r
        LEFT JOIN pg_attribute AS a ON attrelid = r.oid AND attnum >= 0 AND NOT attisdropped
        WHERE relnamespace IN ('identity'::regnamespace, current_schema()::regnamespace) AND NOT relispartition
        AND relkind IN ('r', 'p', 'v') AND relname <> 'alembic_version'
        AND (obj_description(r.oid, 'pg_class') IS NULL OR col_description(r.oid, attnum) IS NULL)"""
    assert select(warehouse, shop, query) == []
    comment = (
        "SELECT col_description('current_churn_risk'::regclass, attnum) FROM pg_attribute "
        "WHERE attrelid = 'current_churn_risk'::regclass AND attname = 'spend_at_risk'"
    )
    assert select(warehouse, shop, comment) == [
        ("expected_spend times the churn probability of the primary horizon [shop currency]",)
    ]


@pytest.mark.parametrize("name", ["identity", "public", "pg_shop", "information_schema"])
def test_a_shop_cannot_have_the_name_of_an_existing_schema(warehouse, name):
    with pytest.raises(ChurnError, match="give the shop another name"):
        warehouse.prepare(make_shop(name))


def test_migrated_promotions_leave_every_day_its_model(warehouse):
    """Models b and c were promoted, for later days, before a; by the old rule their greater effective_from decided."""
    shop = make_shop("migrated_models")
    warehouse.prepare(shop)
    bring_back(warehouse, shop, "shop_0009")
    promoted = {
        "a": (date(2011, 2, 1), 3),
        "b": (date(2011, 3, 1), 1),
        "c": (date(2011, 3, 1), 2),
        "never": (None, None),
    }
    for version, (day, hour) in promoted.items():
        at = hour and datetime(2011, 9, 7, hour, tzinfo=UTC)
        insert = """INSERT INTO model_registry
                    (version, kind, location, bundle_hash, trained_through, gate_passed, metrics, created_at,
                     effective_from, promoted_at)
                    VALUES (%s, 'lstm', %s, %s, '2011-01-31', true, '{}', '2011-09-07', %s, %s) RETURNING 1"""
        select(warehouse, shop, insert, version, f"/m/{version}", f"hash {version}", day, at)
    registry = """SELECT version, kind, location, bundle_hash, trained_through, effective_from, gate_passed, metrics,
                         created_at, promoted_at FROM model_registry ORDER BY version"""
    before = select(warehouse, shop, registry)
    warehouse.prepare(shop)

    assert select(warehouse, shop, registry) == before
    scorers = {day: warehouse.model_for(shop, day) for day in (date(2011, 1, 31), date(2011, 2, 28), date(2011, 3, 1))}
    assert [(model.version, is_hindsight) for model, is_hindsight in scorers.values()] == [
        ("a", True), ("a", False), ("c", False),
    ]  # fmt: skip
    warehouse.register_model(shop, replace(make_model("new"), trained_through=DAY))
    assert warehouse.promote_model(shop, "new").effective_from == DAY


def test_the_first_night_after_an_update_finds_its_model(warehouse, tmp_path, monkeypatch):
    file = ROOT / "infra" / "demo" / "cdnow" / "shop.toml"
    shop = load_shop(file)
    warehouse.prepare(shop)
    bring_back(warehouse, shop, "shop_0009")
    monkeypatch.setenv("CHURN_HOME", str(tmp_path))
    monkeypatch.setenv("CHURN_WAREHOUSE_URL", warehouse.url)
    with pytest.raises(MissingInputError):  # there are no histories
        churn_risk.main(["--shop", str(file), "--as-of", "1997-09-30"])
    assert warehouse.model_for(shop, DAY) is None


def test_migrated_plans_get_the_time_when_their_scores_became_visible(warehouse):
    shop = make_shop("migrated_plans")
    warehouse.prepare(shop)
    publish(warehouse, shop, "run-1")
    bring_back(warehouse, shop, "shop_0009")
    insert = "INSERT INTO contact_plan VALUES (%s, 'a', 1, 2, false, 'run-1') RETURNING 1"
    for day in (DAY, DAY - timedelta(days=500)):  # the scores of that run are removed
        select(warehouse, shop, insert, day)
    warehouse.prepare(shop)

    query = """SELECT planned_at = published_at, planned_at::date - contact_plan.as_of FROM contact_plan
               LEFT JOIN published_runs USING (as_of, run_id) ORDER BY contact_plan.as_of"""
    (_, published_later), (as_published, _) = select(warehouse, shop, query)
    assert (published_later, as_published) == (1, True)
