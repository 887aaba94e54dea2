"""Has the warehouse the layout that people rely on, the right model for a day, and closed doors?"""

from __future__ import annotations

import itertools
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.tables import churn_risk
from spark_jobs.contract.warehouse_tables import CONTACT_PLAN, CUSTOMER_OUTCOMES, DRIFT, EXPECTED_SALES, OUTCOMES
from spark_jobs.contract.windows import ChurnDefinition
from spark_jobs.lake.keys import product_hash
from spark_jobs.lake.ledger import Run, append_run
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.__main__ import find_day_to_score_again, load_scores, promote
from spark_jobs.warehouse.postgres import PostgresWarehouse
from tests.spark_jobs.warehouse.support import (
    DAY,
    login_url,
    make_model,
    make_pairs,
    make_rows,
    make_shop,
    publish,
    select,
)

ROOT = Path(__file__).resolve().parents[3]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def warehouse(warehouse_url):
    return PostgresWarehouse(warehouse_url)


@pytest.fixture
def shop(warehouse):
    """A shop of the test's own, with a schema."""
    shop = make_shop(f"layout_{next(NUMBERS)}")
    warehouse.prepare(shop)
    return shop


# --- layout


def test_prepare_again_takes_no_lock_that_a_reader_could_feel(warehouse, shop):
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


def test_tables_and_views_hold_what_the_contract_says(warehouse, shop):
    types = {"string": "text", "double": "double precision", "date": "date", "boolean": "boolean",
             "decimal(18,2)": "numeric(18,2)"}  # fmt: skip
    expected = {(c.name, types[c.type]) for c in churn_risk((30, 60, 90)).columns}
    expected |= {("run_id", "text"), ("scored_at", "timestamp with time zone")}
    query = """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
               WHERE attrelid = %s::regclass AND attnum > 0"""
    for relation in ("churn_risk", "current_churn_risk", "churn_risk_history"):
        assert set(select(warehouse, shop, query, relation)) == expected


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


def test_horizon_that_is_added_later_keeps_old_rows_and_columns(warehouse, shop):
    publish(warehouse, shop, "run-1", as_of=DAY - timedelta(days=1))
    later = replace(shop, churn=ChurnDefinition(horizons_days=(14, 60, 90)))
    warehouse.prepare(later)
    publish(warehouse, later, "run-2", make_rows("a", horizons=(14, 60, 90)))

    history = "SELECT as_of, p_churn_14d, p_churn_30d FROM churn_risk_history WHERE customer_id = 'a' ORDER BY as_of"
    assert select(warehouse, shop, history) == [(DAY - timedelta(days=1), None, 0.5), (DAY, 0.5, None)]
    assert warehouse.top_at_risk(later, 1)[0]["p_churn_14d"] == 0.5


def test_names_cannot_inject_sql(warehouse):
    evil = make_shop("""x"; DROP SCHEMA identity CASCADE; --'""")
    evil = replace(evil, title="'; DROP SCHEMA identity CASCADE; --")
    warehouse.prepare(evil)

    assert publish(warehouse, evil, "'); DROP SCHEMA identity CASCADE; --") is True
    assert [run.run_id for run in warehouse.published(evil)] == ["'); DROP SCHEMA identity CASCADE; --"]
    assert len(warehouse.top_at_risk(evil, 5)) == 3
    assert warehouse.remember_customers(evil, "k", [make_pairs(a="1")]) == 1


@pytest.mark.parametrize("name", ["identity", "public", "pg_shop", "information_schema"])
def test_shop_cannot_be_named_like_a_schema_that_exists_anyway(warehouse, name):
    with pytest.raises(ChurnError, match="give the shop another name"):
        warehouse.prepare(make_shop(name))


# --- models


def test_no_model_scores_before_the_first_promotion(warehouse, shop):
    assert warehouse.model_for(shop, DAY) is None
    warehouse.register_model(shop, make_model("a"))
    assert warehouse.model_for(shop, DAY) is None


def test_model_of_a_day_is_the_last_promoted_for_it_or_before(warehouse, shop):
    old, new, unused = make_model("old"), make_model("new", date(2011, 5, 31)), make_model("unused")
    for model in (old, new, unused):
        warehouse.register_model(shop, model)
    warehouse.promote_model(shop, "old", date(2011, 2, 1))
    warehouse.promote_model(shop, "new", date(2011, 6, 1))

    assert warehouse.model_for(shop, date(2011, 5, 31)) == (old, False)
    assert warehouse.model_for(shop, date(2011, 6, 1)) == (new, False)
    assert warehouse.model_for(shop, date(2011, 1, 31)) == (old, True)


def test_model_that_learned_from_later_days_is_hindsight(warehouse, shop):
    model = make_model("a", trained_through=date(2011, 6, 10))
    warehouse.register_model(shop, model)
    warehouse.promote_model(shop, "a", date(2011, 6, 1))

    assert warehouse.model_for(shop, date(2011, 6, 9)) == (model, True)
    assert warehouse.model_for(shop, date(2011, 6, 10)) == (model, False)


@pytest.mark.parametrize("day", [date(2011, 6, 1), date(2011, 5, 1)])
def test_of_models_for_the_same_day_the_one_promoted_last_scores(warehouse, shop, day):
    for version in ("b", "c", "a"):
        warehouse.register_model(shop, make_model(version))
        warehouse.promote_model(shop, version, date(2011, 6, 1))
    assert warehouse.model_for(shop, day)[0].version == "a"
    warehouse.promote_model(shop, "c", date(2011, 6, 1))
    assert warehouse.model_for(shop, day)[0].version == "c"


def test_going_back_to_an_older_model_leaves_the_days_of_the_newer_one(warehouse, shop):
    first, second, third = (date(2011, month, 1) for month in (2, 3, 4))
    for version, day in (("a", first), ("b", second), ("a", third), ("a", third)):
        warehouse.register_model(shop, make_model(version))
        warehouse.promote_model(shop, version, day)
    scorers = [warehouse.model_for(shop, day) for day in (first, second, third - timedelta(days=1), third)]
    assert [(model.version, is_hindsight) for model, is_hindsight in scorers] == [
        ("a", False), ("b", False), ("b", False), ("a", False),
    ]  # fmt: skip
    promotions = select(warehouse, shop, "SELECT version, effective_from FROM promotions ORDER BY number")
    assert promotions == [("a", first), ("b", second), ("a", third)]  # the same again changes nothing
    registry = select(warehouse, shop, "SELECT version, effective_from FROM model_registry ORDER BY version")
    assert registry == [("a", third), ("b", second)]


def test_a_model_is_promoted_from_what_it_learned_but_not_before_the_newest_day_with_scores(warehouse, shop):
    """What was scored before keeps its model, unless a person names an earlier day; also on the way back."""
    old, new = make_model("old", DAY - timedelta(days=30)), make_model("new", DAY)
    for model in (old, new):
        warehouse.register_model(shop, model)
    assert warehouse.promote_model(shop, "old").effective_from == old.trained_through
    publish(warehouse, shop, "run-1", as_of=DAY - timedelta(days=9))
    assert warehouse.promote_model(shop, "new").effective_from == DAY
    for days in (0, 7):
        publish(warehouse, shop, f"run-{days}", as_of=DAY + timedelta(days=days))
    assert not warehouse.promote_model(shop, "new").is_new  # it scores already
    assert warehouse.promote_model(shop, "old").effective_from == DAY + timedelta(days=7)
    scorers = [warehouse.model_for(shop, DAY + timedelta(days=days))[0] for days in (-1, 0, 6, 7)]
    assert scorers == [old, new, new, old]
    warehouse.promote_model(shop, "new", DAY - timedelta(days=3))
    assert [warehouse.model_for(shop, DAY - timedelta(days=days)) for days in (0, 3, 4)] == [
        (new, False), (new, True), (old, False),
    ]  # fmt: skip


def test_a_promotion_planned_ahead_holds_back_none_and_gives_way_to_the_next(warehouse, shop, capsys):
    for version in ("old", "planned", "next"):
        warehouse.register_model(shop, make_model(version, DAY))
    promote(warehouse, shop, "old", None)
    promote(warehouse, shop, "planned", DAY + timedelta(days=30))
    assert promote(warehouse, shop, "next", None) == DAY
    told = capsys.readouterr().out.splitlines()[-1]
    assert f" from {DAY} on instead of planned, which was promoted from {DAY + timedelta(days=30)} on; the next" in told
    assert warehouse.model_for(shop, DAY + timedelta(days=30))[0].version == "next"


def test_promotion_says_which_model_scores_the_next_night(warehouse, shop, capsys):
    for model in (make_model("old", DAY - timedelta(days=30)), make_model("new", DAY)):
        warehouse.register_model(shop, model)
    for version in ("old", "new"):
        promote(warehouse, shop, version, None)
    publish(warehouse, shop, "run-1", as_of=DAY + timedelta(days=2))
    capsys.readouterr()
    promote(warehouse, shop, "old", None)
    promote(warehouse, shop, "new", DAY + timedelta(days=9))
    back, ahead = capsys.readouterr().out.splitlines()
    assert back == f"old scores {shop.name} from 2011-09-08 on; the next night, that of 2011-09-09, is scored by old"
    assert ahead == f"new scores {shop.name} from 2011-09-15 on; the next night, that of 2011-09-09, is scored by old"


def test_version_cannot_be_registered_with_another_bundle(warehouse, shop):
    warehouse.register_model(shop, make_model("a"))
    warehouse.register_model(shop, make_model("a"))
    with pytest.raises(ChurnError, match="registered with another bundle"):
        warehouse.register_model(shop, replace(make_model("a"), bundle_hash="other"))


def test_unknown_version_cannot_be_promoted(warehouse, shop):
    with pytest.raises(ChurnError, match="has no model 'a'"):
        warehouse.promote_model(shop, "a", DAY)


# --- customers


def test_customers_are_remembered_once_per_shop(warehouse, shop):
    other = make_shop("other_shop_with_customers")
    assert warehouse.remember_customers(shop, "k1", [make_pairs(x="1", y="2"), make_pairs(y="2", z="3")]) == 3
    assert warehouse.remember_customers(shop, "k1", [make_pairs(z="3", w="4")]) == 1
    assert warehouse.remember_customers(other, "k1", [make_pairs(x="another shop's")]) == 1
    assert warehouse.remember_customers(shop, "k1", []) == 0

    known = "SELECT customer_key, customer_id, key_id FROM identity.customers WHERE shop = current_schema() ORDER BY 1"
    expected = [("w", "4", "k1"), ("x", "1", "k1"), ("y", "2", "k1"), ("z", "3", "k1")]
    assert select(warehouse, shop, known) == expected


@pytest.mark.parametrize("pairs", [
    [make_pairs(y="2", x="not 1")],
    [make_pairs(y="2", z="3"), make_pairs(z="not 3")],
])  # fmt: skip
def test_key_of_two_customers_is_refused_and_nothing_added(warehouse, shop, pairs):
    warehouse.remember_customers(shop, "k1", [make_pairs(x="1")])

    with pytest.raises(ChurnError, match=r"^1 customer keys of \w+ stand for another customer id") as failure:
        warehouse.remember_customers(shop, "k1", pairs)

    assert "not 1" not in str(failure.value)  # customer ids are in no message
    known = "SELECT customer_key FROM identity.customers WHERE shop = current_schema()"
    assert select(warehouse, shop, known) == [("x",)]


def test_ids_that_were_stored_with_blanks_lose_them_so_that_nothing_is_refused(warehouse, shop):
    warehouse.remember_customers(shop, "k1", [make_pairs(x="\u20091\u00a0", y="2")])
    with psycopg.connect(warehouse.url) as connection:
        connection.execute("UPDATE identity.alembic_version SET version_num = 'identity_0001'")
    warehouse.prepare(make_shop("prepared_after_the_change"))
    assert warehouse.remember_customers(shop, "k1", [make_pairs(x="1", y="2")]) == 0


# --- roles


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


def test_loader_does_a_nights_work_and_can_drop_nothing(warehouse, shop):
    loader = PostgresWarehouse(login_url(warehouse, "churn_loader"))

    loader.prepare(shop)  # nothing to do, so nothing is needed
    assert publish(loader, shop, "run-1", as_of=date(2013, 3, 31)) is True
    assert loader.remember_customers(shop, "k1", [make_pairs(x="1")]) == 1
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


def test_example_queries_run_and_answer(warehouse, shop):
    publish(
        warehouse, shop, "run-1", make_rows("ab", DAY - timedelta(days=1), p_churn_60d=0.4), DAY - timedelta(days=1)
    )
    publish(warehouse, shop, "run-2", make_rows("ab", band="high", p_churn_60d=0.9))
    warehouse.remember_customers(shop, "k1", [make_pairs(a="shop id of a", b="shop id of b")])
    warehouse.register_model(shop, make_model("lstm-1"))
    judged = {"as_of": DAY, "horizon_days": 60, "run_id": "run-2", "model_version": "lstm-1", "n": 2, "auroc": 0.7,
              "known_as_of": DAY + timedelta(days=60)}  # fmt: skip
    warehouse.replace(shop, OUTCOMES, [judged], as_of=DAY)
    change = {"as_of": DAY, "kind": "volume", "subject": "purchases", "action": "block", "finding": "none came"}
    warehouse.replace(shop, DRIFT, [change], as_of=DAY)
    sales = {"as_of": DAY, "horizon_days": 60, "customers": 2, "expected": Decimal(18), "model_version": "lstm-1",
             "is_hindsight": False}  # fmt: skip
    warehouse.replace(shop, EXPECTED_SALES, [sales], as_of=DAY)
    for n, (who, profit) in enumerate({"b": 5, "a": 3}.items(), start=1):
        planned = {"as_of": DAY, "customer_id": who, "rank": n, "expected_profit": Decimal(profit),
                   "is_control": False, "run_id": "run-2", "planned_at": datetime.now(UTC)}  # fmt: skip
        outcome = {"as_of": DAY, "customer_id": who, "horizon_days": 60, "churned": False, "spend": Decimal(9)}
        warehouse.replace(shop, CONTACT_PLAN, [planned], as_of=DAY, customer_id=who)
        warehouse.replace(shop, CUSTOMER_OUTCOMES, [outcome], as_of=DAY, customer_id=who)
    url = login_url(warehouse, "churn_reader", "churn_identity")
    text = (ROOT / "infra/warehouse/example_queries.sql").read_text()
    _, *parts = re.split(r"^-- title: ", text, flags=re.MULTILINE)
    answers = {part.splitlines()[0]: select(warehouse, shop, part.partition("\n")[2], url=url) for part in parts}

    top, bands, history, rising, resolved, models, proof, drift, contacts, lifts, sales = answers.values()
    assert [row[0] for row in top] == ["b", "a"]
    assert bands == [("high", 2, Decimal("200.20"), Decimal("11.10"))]
    assert [(row[0], row[2]) for row in history] == [(DAY - timedelta(days=1), 0.4), (DAY, 0.9)]
    assert [(row[0], round(row[3], 9)) for row in rising] == [("a", 0.5), ("b", 0.5)]
    assert [row[0] for row in resolved] == ["shop id of b", "shop id of a"]
    assert [(row[0], row[1], row[2], row[6]) for row in models] == [
        (DAY, "lstm-1", "lstm", 2), (DAY - timedelta(days=1), "lstm-1", "lstm", 2),
    ]  # fmt: skip
    assert [(row[0], row[1], row[5]) for row in proof] == [(DAY, 60, 0.7)]
    assert [(row[1], row[3]) for row in contacts] == [("b", Decimal("5.00")), ("a", Decimal("8.00"))]
    assert [row[:4] for row in sales] == [(DAY, 60, 2, Decimal("18.00"))]
    assert [row[1:3] for row in lifts] == [(2, 0), (2, 0)]
    assert [row[:4] for row in drift] == [(DAY, "block", "volume", "purchases")]


# --- secrets and commands


def test_error_that_quotes_the_password_is_masked(warehouse):
    password = conninfo_to_dict(warehouse.url)["password"]
    with pytest.raises(ChurnError, match=r'"\*\*\*"') as failure, warehouse._open() as connection:
        connection.execute("SELECT %s::text::integer", [password])
    assert password not in str(failure.value)


def test_unprepared_shop_is_told_what_to_run(warehouse):
    with pytest.raises(ChurnError, match=r"spark_jobs\.warehouse prepare --shop"):
        warehouse.published(make_shop("never_prepared"))


def test_load_takes_the_version_that_the_days_scoring_run_names(warehouse, shop, tmp_path):
    lake, table = Lake(tmp_path), churn_risk(shop.churn.horizons_days)
    with pytest.raises(MissingInputError, match=r"no scores of .* for 2011-09-06 yet"):
        load_scores(warehouse, lake, shop, DAY)
    named = lake.update(table, DAY.isoformat(), lambda _: make_rows("abc", is_hindsight=True))
    lake.update(table, DAY.isoformat(), lambda _: make_rows("abcdef"))  # not published as a run yet
    append_run(lake, Run("score-1", "key", {table.name: named}, datetime.now(UTC), DAY, "score"))

    append_run(lake, Run("etl-1", "key", {"purchases": 4, table.name: 0}, datetime.now(UTC), DAY, "etl"))
    loaded = load_scores(warehouse, lake, shop, DAY)
    assert (loaded.model_version, loaded.inputs) == ("lstm-1", {"purchases": 4, table.name: named})
    assert loaded.code == product_hash()
    assert load_scores(warehouse, lake, shop, DAY) == loaded
    (run,) = warehouse.published(shop)
    assert (run.run_id, run.rows, run.lake_version, run.is_hindsight) == ("score-1", 3, named, True)


def test_an_older_training_that_is_repeated_does_not_take_over_and_a_person_may_let_it(warehouse, shop):
    for version, day in (("old", date(2011, 1, 31)), ("new", date(2011, 2, 28))):
        warehouse.register_model(shop, make_model(version, day))
        promote(warehouse, shop, version, None, is_once=True)
    later = date(2011, 3, 1)
    assert promote(warehouse, shop, "old", None, is_once=True) == date(2011, 1, 31)
    assert warehouse.model_for(shop, later)[0].version == "new"
    promote(warehouse, shop, "old", None)
    assert warehouse.model_for(shop, later)[0].version == "old"


@pytest.mark.parametrize("kind", ["lstm", "logistic"])
@pytest.mark.parametrize("gate_passed", [True, False])
def test_a_person_may_promote_what_passed_no_gate_and_is_told(warehouse, shop, kind, gate_passed, capsys):
    model = replace(make_model("mine", gate_passed=gate_passed), kind=kind)
    warehouse.register_model(shop, model)
    assert promote(warehouse, shop, "mine", None) == date(2011, 1, 31)
    assert warehouse.model_for(shop, date(2011, 1, 31)) == (model, False)
    assert ("although no kind passed the gate" in capsys.readouterr().out) == (not gate_passed)
    if not gate_passed:
        warehouse.register_model(shop, replace(model, version="thin", metrics={"60d": {"is_judged": False}}))
        promote(warehouse, shop, "thin", None)
        assert "although too few customers had churned or stayed to judge it" in capsys.readouterr().out


def test_the_newest_day_with_histories_is_scored_again_if_the_model_scores_it(tmp_path):
    lake = Lake(tmp_path)
    for day in (date(2011, 9, 5), DAY):
        append_run(lake, Run(f"etl-{day}", f"key {day}", {}, datetime.now(UTC), day, "etl"))
    assert find_day_to_score_again(lake, date(2011, 9, 1)) == DAY
    assert find_day_to_score_again(lake, DAY + timedelta(days=1)) is None
