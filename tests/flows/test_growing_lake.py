"""Ten kinds of change on an existing lake: each takes effect with the next nights, and the content becomes that of a
new lake.

Changes of code (`age` turns a table into one of an older release):
1 a measure  2 a daily set  3 a column of events  4 a measure of the series  5 all of these dropped
Changes of shop.toml: 6 a horizon added  7 a horizon dropped  8 a log, in a format of its own  9 another time zone
10 settings that affect no table: the time of the night, model settings, contact settings
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from spark_jobs import churn_risk, clean, customer_day, customer_series, publish, rebuild
from spark_jobs.contract.table import Column, Table
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, PURCHASES, REVIEWS
from spark_jobs.lake.backlog import list_waiting
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake
from tests.spark_jobs.shops import CONTACT, DATED, SHOP, SmallShop

DAY = {n: date(2011, 3, n) for n in range(1, 9)}
TABLES = (PURCHASES, CUSTOMER_DAY, CUSTOMER_SERIES)
TEXT = SHOP.format(name="small", exact_duplicates="keep", delivery_day=DATED)
REVIEW_LOG = """
[sources.reviews]
location = "raw"
files = "*.jsonl"
format = "jsonl"
delivery_day = '(\\d{4}-\\d{2}-\\d{2})'
[sources.reviews.columns]
customer_id = "who"
event_at = "at"
rating = "stars"
"""


def deliver(shop: SmallShop, day: int) -> None:
    at = f"{DAY[day]} 23:30"
    shop.deliver(
        f"{DAY[day]}.csv", f"a,{at},p{day},c{day % 2},2,1.50", f"b{day},{at},p,c,1,2.00", f"a,{at},p,c,-1,1.50"
    )


def age(lake: Lake, table: Table, without: tuple[str, ...], *extra: tuple[str, str, object]) -> None:
    """Turns the table into one of a release without some columns and with others, given as name, type, value."""
    kept = [column for column in table.columns if column.name not in without]
    older = replace(table, columns=(*kept, *(Column(name, kind, "of old") for name, kind, _ in extra)))
    content = {value: lake.arrow(table, [value]).to_pylist() for value in lake.partitions(table)}
    shutil.rmtree(lake.folder(table))
    for value, rows in content.items():
        old_rows = [{**row, **{name: was for name, _, was in extra}} for row in rows]
        lake.update(older, value, lambda _, rows=old_rows: pa.Table.from_pylist(rows, arrow_schema(older)))


@pytest.fixture
def make_shop(spark, tmp_path, warehouse_url):
    def make(name: str, text: str = TEXT, **settings) -> SmallShop:
        shop = SmallShop(spark, tmp_path / name, warehouse_url, text)
        shop.settings = replace(shop.settings, **settings)
        return shop

    return make


def run_night(shop: SmallShop, day: int) -> None:
    """Runs the jobs of a night as the commands do, within the night's budget."""
    shop.clean(DAY[day])
    customer_day.run(shop.open_spark, shop.lake, shop.shop, DAY[day], budget_bytes=shop.settings.catch_up_bytes)
    customer_series.run(shop.open_spark, shop.lake, shop.shop, DAY[day], CUSTOMER_SERIES)
    publish.publish_run(shop.lake, shop.shop, "etl", DAY[day])


def test_newer_code_continues_an_older_lake_to_the_content_of_a_new_one(make_shop, capsys):
    fresh, standing = make_shop("fresh"), make_shop("standing", catch_up_mb=0)
    for day in range(1, 5):
        deliver(fresh, day)
        deliver(standing, day)
    run_night(standing, 4)
    age(standing.lake, PURCHASES, ("amount",), ("colour", "string", "red"))
    age(
        standing.lake,
        CUSTOMER_DAY,
        ("sale_count", "categories"),
        ("old_count", "bigint", 7),
        ("old", "array<int>", [1]),
    )
    age(standing.lake, CUSTOMER_SERIES, ("sale_count",), ("old_count", "array<double>", [7.0]))
    deliver(standing, 5)
    deliver(fresh, 5)
    run_night(standing, 5)  # the new day, and two of the old ones
    waiting = {w.table_name: (w.days, w.first_day, w.last_day) for w in list_waiting(standing.lake)}
    assert waiting == {"purchases": (2, DAY[3], DAY[4]), "customer_day": (3, DAY[1], DAY[4])}
    assert "purchases: 2 days, 2011-03-03 to 2011-03-04, wait to be rebuilt" in capsys.readouterr().out
    by_day = {row["delivery_day"]: row["sale_count"] for row in standing.rows(CUSTOMER_DAY) if row["customer_id"]}
    assert (by_day[DAY[1]], by_day[DAY[2]], by_day[DAY[5]]) == (0, 1, 1)  # a default, rebuilt, new
    assert standing.rows(CUSTOMER_SERIES, str(DAY[5]))
    standing.settings = replace(standing.settings, catch_up_mb=1000)
    for shop in (standing, fresh):
        deliver(shop, 6)
        run_night(shop, 6)
    assert list_waiting(standing.lake) == []
    for table in (PURCHASES, CUSTOMER_DAY):
        assert standing.rows(table) == fresh.rows(table), table.name
    assert standing.rows(CUSTOMER_SERIES, str(DAY[6])) == fresh.rows(CUSTOMER_SERIES, str(DAY[6]))
    before = {table: standing.lake.partitions(table) for table in TABLES}
    rebuild.run(standing.open_spark, standing.lake, standing.shop, standing.settings)
    for table in TABLES:
        assert standing.rows(table) == fresh.rows(table) or table is CUSTOMER_SERIES  # of which the old night is kept
        files = standing.lake.partitions(table)
        assert not any(set(files[day]) & set(before[table][day]) for day in files), table.name
    assert standing.rows(CUSTOMER_SERIES, str(DAY[6])) == fresh.rows(CUSTOMER_SERIES, str(DAY[6]))


def test_changes_of_shop_toml_work_on_an_existing_lake(make_shop):
    before = make_shop("shop")
    for day in (1, 2):
        deliver(before, day)
    before.put(f"{DAY[2]}.jsonl", json.dumps({"who": "a", "at": f"{DAY[2]} 10:00", "stars": 4}))
    run_night(before, 2)
    unconcerned = make_shop("shop", TEXT + CONTACT + '[schedule]\nnight_at = "04:30"\n[model]\nfolds = 4\n')
    deliveries = unconcerned.lake.arrow(clean.DELIVERIES, ["purchases"]).to_pylist()
    plan = clean.plan_log(unconcerned.lake, unconcerned.shop, "purchases", DAY[2], unconcerned.settings, deliveries)
    assert (plan.parts, customer_day.stale_days(unconcerned.lake, unconcerned.shop, DAY[2])) == ((), {})
    key = customer_series.series_run_key(unconcerned.lake, CUSTOMER_SERIES, unconcerned.shop, DAY[2], {})
    assert unconcerned.lake.is_published(CUSTOMER_SERIES, str(DAY[2]), key)
    horizons = TEXT.replace("[2, 4]", "[4, 6]").replace("[churn]", "[churn]\nprimary_horizon_days = 4")
    changed = make_shop("shop", horizons.replace("London", "Berlin") + REVIEW_LOG)
    deliver(changed, 3)
    run_night(changed, 3)
    # All files were cleaned again: half past eleven is Berlin time now.
    assert {row["event_day"] for row in changed.rows(PURCHASES)} == {DAY[1], DAY[2], DAY[3]}
    assert [row["event_at"].hour for row in changed.rows(PURCHASES)] == [22] * 9
    assert [(row["delivery_day"], row["rating"]) for row in changed.rows(REVIEWS)] == [(DAY[3], 4)]
    (a,) = [row for row in changed.rows(CUSTOMER_SERIES, str(DAY[3])) if sum(row["review_count"])]
    assert (a["days"], a["review_count"]) == ([DAY[1], DAY[2], DAY[2], DAY[3]], [0, 0, 1, 0])  # delivered a night later
    assert len(changed.rows(CUSTOMER_SERIES, str(DAY[3]))) == 4  # eligible within four days as before
    assert churn_risk.churn_risk((4, 6)).column_names[1:3] == ("p_churn_4d", "p_churn_6d")
