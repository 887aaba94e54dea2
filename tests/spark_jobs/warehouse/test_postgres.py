"""Are customers stored once, passwords never shown, names quoted, and failures reported in one line?"""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from spark_jobs.contract.errors import ChurnError
from tests.spark_jobs.warehouse.support import (
    make_pairs,
    make_shop,
    publish,
    select,
)


def test_customers_are_stored_once_per_shop(warehouse, shop):
    other = make_shop("other_shop_with_customers")
    assert warehouse.upsert_customers(shop, "k1", [make_pairs(x="1", y="2"), make_pairs(y="2", z="3")]) == 3
    assert warehouse.upsert_customers(shop, "k1", [make_pairs(z="3", w="4")]) == 1
    assert warehouse.upsert_customers(other, "k1", [make_pairs(x="another shop's")]) == 1
    assert warehouse.upsert_customers(shop, "k1", []) == 0

    known = "SELECT customer_key, customer_id, key_id FROM identity.customers WHERE shop = current_schema() ORDER BY 1"
    expected = [("w", "4", "k1"), ("x", "1", "k1"), ("y", "2", "k1"), ("z", "3", "k1")]
    assert select(warehouse, shop, known) == expected


@pytest.mark.parametrize("pairs", [
    [make_pairs(y="2", x="not 1")],
    [make_pairs(y="2", z="3"), make_pairs(z="not 3")],
])  # fmt: skip
def test_a_key_of_two_customers_is_refused_and_nothing_is_added(warehouse, shop, pairs):
    warehouse.upsert_customers(shop, "k1", [make_pairs(x="1")])

    with pytest.raises(ChurnError, match=r"^1 customer keys of \w+ belong to another customer id") as failure:
        warehouse.upsert_customers(shop, "k1", pairs)

    assert "not 1" not in str(failure.value)  # customer ids are in no message
    known = "SELECT customer_key FROM identity.customers WHERE shop = current_schema()"
    assert select(warehouse, shop, known) == [("x",)]


def test_stored_ids_with_blanks_are_stripped_and_not_refused(warehouse, shop):
    warehouse.upsert_customers(shop, "k1", [make_pairs(x="\u20091\u00a0", y="2")])
    with psycopg.connect(warehouse.url) as connection:
        connection.execute("UPDATE identity.alembic_version SET version_num = 'identity_0001'")
    warehouse.prepare(make_shop("prepared_after_the_change"))
    assert warehouse.upsert_customers(shop, "k1", [make_pairs(x="1", y="2")]) == 0


def test_names_cannot_inject_sql(warehouse):
    hostile = make_shop("""x"; DROP SCHEMA identity CASCADE; --'""")
    hostile = replace(hostile, title="'; DROP SCHEMA identity CASCADE; --")
    warehouse.prepare(hostile)

    assert publish(warehouse, hostile, "'); DROP SCHEMA identity CASCADE; --") is True
    assert [run.run_id for run in warehouse.published(hostile)] == ["'); DROP SCHEMA identity CASCADE; --"]
    assert len(warehouse.top_at_risk(hostile, 5)) == 3
    assert warehouse.upsert_customers(hostile, "k", [make_pairs(a="1")]) == 1


def test_error_that_quotes_the_password_is_masked(warehouse):
    password = conninfo_to_dict(warehouse.url)["password"]
    with pytest.raises(ChurnError, match=r'"\*\*\*"') as failure, warehouse._open() as connection:
        connection.execute("SELECT %s::text::integer", [password])
    assert password not in str(failure.value)


def test_an_unprepared_shop_is_reported_with_the_command_to_run(warehouse):
    with pytest.raises(ChurnError, match=r"spark_jobs\.warehouse prepare --shop"):
        warehouse.published(make_shop("never_prepared"))
