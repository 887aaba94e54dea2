"""Do tables, views and comments of an existing warehouse follow the contract without a migration?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from shutil import copytree

import psycopg
import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.table import Column
from spark_jobs.contract.warehouse_tables import CONTACT_LIST, CONTACT_PLAN, EXPECTED_SALES, WAREHOUSE_TABLES
from spark_jobs.warehouse.__main__ import describe_columns
from spark_jobs.warehouse.schema import columns, migrating, views
from tests.spark_jobs.warehouse.support import DAY, make_rows, publish, select

SALES = {"as_of": DAY, "horizon_days": 60, "customers": 2, "expected": Decimal(18), "model_version": "lstm-1",
         "is_hindsight": False}  # fmt: skip
TRIES = Column("tries", "int", "so many tries", default=0)
BEST = Column("best", "decimal(18,2)", "the best that was ever seen", "shop currency", nullable=True)


def declare(monkeypatch, *changed) -> None:
    """The contract with these tables in place of those of the same name."""
    by_name = {table.name: table for table in changed}
    monkeypatch.setattr(columns, "WAREHOUSE_TABLES", tuple(by_name.get(t.name, t) for t in WAREHOUSE_TABLES))
    for table in changed:
        if hasattr(views, table.name.upper()):
            monkeypatch.setattr(views, table.name.upper(), table)


def add(table, *more):
    return replace(table, columns=(*table.columns, *more))


def test_every_table_has_the_columns_of_the_contract(warehouse, shop):
    """Types and nullability, of columns made by migrations and of columns added from the contract."""
    with psycopg.connect(warehouse.url) as connection:
        for table in columns.list_tables(shop):
            found = columns.read_columns(connection, shop.name, table.name)
            types = {column.name: columns.name_type(column) for column in table.columns}
            assert {name: type_ for name, (type_, _) in found.items()} == types, table.name
            nullable = {c.name for c in table.columns if c.nullable or c.name.startswith("p_churn_")}
            assert {name for name, (_, is_required) in found.items() if not is_required} == nullable, table.name


def test_a_new_column_is_one_line_in_the_contract(warehouse, shop, monkeypatch):
    warehouse.replace(shop, EXPECTED_SALES, [SALES], as_of=DAY)
    wider = add(EXPECTED_SALES, BEST, TRIES)
    declare(monkeypatch, wider)
    warehouse.prepare(shop)
    warehouse.prepare(shop)
    later = {**SALES, "as_of": DAY + timedelta(days=1), "best": Decimal("7.50"), "tries": 3}
    warehouse.replace(shop, wider, [later], as_of=later["as_of"])
    found = select(warehouse, shop, "SELECT best, tries FROM expected_sales ORDER BY as_of")
    assert found == [(None, 0), (Decimal("7.50"), 3)]
    meaning = """SELECT col_description('expected_sales'::regclass, attnum) FROM pg_attribute
                 WHERE attrelid = 'expected_sales'::regclass AND attname = 'best'"""
    assert select(warehouse, shop, meaning) == [("the best that was ever seen [shop currency]",)]
    assert any("best" in line and "numeric(18,2)" in line for line in describe_columns(shop))


def test_a_plan_column_is_in_the_contact_list_if_the_contract_lists_it(warehouse, shop, monkeypatch):
    channel = Column("channel", "string", "by mail or by phone", nullable=True)
    declare(monkeypatch, add(CONTACT_PLAN, channel), add(CONTACT_LIST, channel))
    warehouse.prepare(shop)
    publish(warehouse, shop, "run-1", make_rows("a"))
    insert = """INSERT INTO contact_plan
                (as_of, customer_id, rank, expected_profit, is_control, run_id, planned_at, channel)
                VALUES (%s, 'a', 1, 2, false, 'run-1', now(), 'mail') RETURNING 1"""
    select(warehouse, shop, insert, DAY)
    assert select(warehouse, shop, "SELECT customer_id, band, channel FROM contact_list") == [("a", "medium", "mail")]


def test_a_column_that_the_contract_drops_stays_and_may_be_null(warehouse, shop, monkeypatch):
    warehouse.replace(shop, EXPECTED_SALES, [SALES], as_of=DAY)
    fewer = replace(EXPECTED_SALES, columns=tuple(c for c in EXPECTED_SALES.columns if c.name != "customers"))
    declare(monkeypatch, fewer)
    warehouse.prepare(shop)
    later = {**SALES, "as_of": DAY + timedelta(days=1)}
    warehouse.replace(shop, fewer, [later], as_of=later["as_of"])
    assert select(warehouse, shop, "SELECT customers FROM expected_sales ORDER BY as_of") == [(2,), (None,)]


def test_a_column_of_another_type_asks_for_a_migration_and_changes_nothing(warehouse, shop, monkeypatch):
    table = replace(EXPECTED_SALES, columns=tuple(
        replace(c, type="string") if c.name == "low" else c for c in EXPECTED_SALES.columns))  # fmt: skip
    finding = r"low is numeric\(18,2\) in the warehouse and text in the contract: add a migration"
    declare(monkeypatch, table)
    with pytest.raises(ChurnError, match=finding) as failure:
        warehouse.prepare(shop)
    assert "\n" not in str(failure.value)
    monkeypatch.undo()
    warehouse.prepare(shop)


MIGRATION = """
from alembic import op

revision, down_revision = "shop_9999", {newest!r}


def upgrade() -> None:
    op.execute("DROP VIEW contact_list, contact_lift; ALTER TABLE contact_plan ALTER COLUMN rank TYPE bigint")
"""


def change_columns(table, change):
    return replace(table, columns=tuple(filter(None, map(change, table.columns))))


def test_a_migration_may_change_a_column_of_a_view_which_keeps_all_that_it_shows(
    warehouse, shop, tmp_path, monkeypatch
):
    """As in CONTRIBUTING.md: the migration drops the view, and prepare creates it again, including dropped columns."""
    with psycopg.connect(warehouse.url) as connection:
        before = columns.read_columns(connection, shop.name, "contact_list")
    [(newest,)] = select(warehouse, shop, "SELECT version_num FROM alembic_version")
    copytree(migrating._MIGRATIONS, tmp_path / "migrations")
    (tmp_path / "migrations/shop/shop_9999.py").write_text(MIGRATION.format(newest=newest))
    monkeypatch.setattr(migrating, "_MIGRATIONS", tmp_path / "migrations")
    widened = change_columns(CONTACT_PLAN, lambda c: replace(c, type="bigint") if c.name == "rank" else c)
    declare(monkeypatch, widened, change_columns(CONTACT_LIST, lambda c: None if c.name == "band" else c))
    warehouse.prepare(shop)
    with psycopg.connect(warehouse.url) as connection:
        after = columns.read_columns(connection, shop.name, "contact_list")
    assert list(after.items()) == list((before | {"rank": ("bigint", False)}).items())
