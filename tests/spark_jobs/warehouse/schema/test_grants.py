"""Has every role the privileges that it needs, and no others?"""

from __future__ import annotations

import logging
from datetime import date

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.warehouse.support import (
    DAY,
    login_url,
    make_model,
    make_pairs,
    make_shop,
    publish,
    select,
)


def test_reader_reads_scores_and_nothing_else(warehouse, shop):
    publish(warehouse, shop, "run-1")
    url = login_url(warehouse, "churn_reader")
    for relation in (
        "current_churn_risk",
        "churn_risk_history",
        "churn_risk",
        "published_runs",
        "model_registry",
        "promotions",
        "rejections",
    ):
        select(warehouse, shop, f"SELECT * FROM {relation}", url=url)
    for statement in ("SELECT * FROM identity.customers", "DELETE FROM churn_risk RETURNING 1",
                      "UPDATE promotions SET effective_from = NULL RETURNING 1",
                      "SELECT ensure_month('2050-01-01')"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            select(warehouse, shop, statement, url=url)


def test_resolver_reads_customer_ids_only(warehouse, shop):
    url = login_url(warehouse, "churn_identity")
    select(warehouse, shop, "SELECT * FROM identity.customers", url=url)
    for statement in (f"SELECT * FROM {shop.name}.current_churn_risk", "DELETE FROM identity.customers RETURNING 1"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            select(warehouse, shop, statement, url=url)


def test_the_loader_role_can_load_a_night_and_drop_nothing(warehouse, shop):
    loader = PostgresWarehouse(login_url(warehouse, "churn_loader"))

    loader.prepare(shop)  # nothing to do, so no privilege is needed
    assert publish(loader, shop, "run-1", as_of=date(2013, 3, 31)) is True
    assert loader.upsert_customers(shop, "k1", [make_pairs(x="1")]) == 1
    loader.register_model(shop, make_model("a"))
    loader.promote_model(shop, "a", DAY)
    assert loader.model_for(shop, DAY)[0].version == "a"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        select(warehouse, shop, "DROP TABLE churn_risk", url=loader.url)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        select(warehouse, shop, "UPDATE promotions SET version = 'b' RETURNING 1", url=loader.url)


def test_owner_without_the_right_to_make_roles_is_warned_and_goes_on(warehouse, caplog):
    with psycopg.connect(warehouse.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN PASSWORD 'secret'")
        connection.execute("CREATE DATABASE foreign_one OWNER plain")
        connection.execute("ALTER ROLE churn_reader RENAME TO hidden_for_a_while")
    owner = PostgresWarehouse(make_conninfo(warehouse.url, user="plain", password="secret", dbname="foreign_one"))
    shop = make_shop("no_roles")
    try:
        with caplog.at_level(logging.WARNING):
            owner.prepare(shop)
        assert [r.getMessage().count("\n") for r in caplog.records] == [0]
        assert "roles.sql" in caplog.text
        assert publish(owner, shop, "run-1") is True
    finally:
        with psycopg.connect(warehouse.url) as connection:
            connection.execute("ALTER ROLE hidden_for_a_while RENAME TO churn_reader")
    owner.prepare(shop)  # the role is there now, so it is granted to
    reader = make_conninfo(login_url(warehouse, "churn_reader"), dbname="foreign_one")
    assert len(select(owner, shop, "SELECT * FROM current_churn_risk", url=reader)) == 3
