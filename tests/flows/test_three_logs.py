"""Purchases, browsing and reviews together: each log's own rules, and what they have in common."""

import json
import random
from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest

from spark_jobs import clean
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.tables import BROWSES, CUSTOMER_DAY, CUSTOMER_SERIES, EVENTS, PURCHASES, REVIEWS, quarantine
from tests.spark_jobs.shops import SmallShop

DAY = {n: date(2024, 5, n) for n in range(1, 31)}
SHOP = """
name = "three"
time_zone = "Europe/Berlin"
currency = "EUR"
merged_customers = "{home}/merged.csv"
[churn]
horizons_days = [2, 4]
eligible_within_days = 6
[rates]
USD = "0.9"
CHF = [{ from = 2024-05-01, rate = "1.02" }, { from = 2024-05-03, rate = "1.05" }]
[sources.purchases]
location = "raw"
files = "purchases/*.csv"
format = "csv"
delivery_day = '(\\d{4}-\\d{2}-\\d{2})'
max_quarantined_share = 1
[sources.purchases.columns]
customer_id = "customer"
event_at = "at"
product_id = "product"
unit_price = "price"
currency = "currency"
[sources.browses]
location = "raw"
files = "browses/*.jsonl"
format = "jsonl"
delivery_day = '(\\d{4}-\\d{2}-\\d{2})'
max_quarantined_share = 1
max_conflicting_share = 1
bots = { max_events_per_hour = 5 }
[sources.browses.columns]
event_id = "id"
customer_id = "visitor"
event_at = { column = "ts", format = "epoch_ms" }
kind = { column = "type", values = { pageview = "view", search = "search", add = "cart_add", remove = "cart_remove" } }
product_id = "item"
category = "category"
dwell_seconds = "dwell"
[sources.reviews]
location = "raw"
files = "reviews/*.jsonl"
format = "jsonl"
delivery_day = '(\\d{4}-\\d{2}-\\d{2})'
max_quarantined_share = 1
max_conflicting_share = 1
rating_range = [0, 10]
[sources.reviews.columns]
event_id = "id"
customer_id = "author"
event_at = "at"
rating = "stars"
text = "text"
"""


def buy(customer="a", at="2024-05-01 10:00", product="p", price="2.00", currency=""):
    return f"{customer},{at},{product},{price},{currency}"


def browse(number, visitor="a", at="2024-05-01T10:00", kind="pageview", **more):
    """Berlin is two hours ahead of UTC in May."""
    instant = int(date.fromisoformat(at[:10]).toordinal() - date(1970, 1, 1).toordinal()) * 86400
    clock = [int(part) for part in at[11:].split(":")]
    ms = 1000 * (instant + clock[0] * 3600 + clock[1] * 60 - 7200)
    return json.dumps({"id": f"e{number}", "visitor": visitor, "ts": ms, "type": kind, **more})


def review(number, author="a", at="2024-05-01 20:00", **more):
    return json.dumps({"id": f"r{number}", "author": author, "at": at, **more})


class ThreeLogs(SmallShop):
    def land(self, day: str, purchases=(), browses=(), reviews=()) -> None:
        if purchases:
            self.put(f"purchases/{day}.csv", "customer,at,product,price,currency", *purchases)
        self.put(f"browses/{day}.jsonl", *browses)
        self.put(f"reviews/{day}.jsonl", *reviews)

    def reasons(self, log: str) -> dict[int, list[str]]:
        return {row["record_number"]: list(row["reasons"]) for row in self.rows(quarantine(log))}


@pytest.fixture
def make_shop(spark, tmp_path, warehouse_url):
    def make(name="s", text=SHOP, **options):
        (tmp_path / name / "home").mkdir(parents=True)
        (tmp_path / name / "home" / "merged.csv").write_text("customer_id,merged_into,since\n")
        return ThreeLogs(spark, tmp_path / name, warehouse_url, text, **options)

    return make


def test_each_log_has_its_own_rules_and_a_customer_day_covers_all_logs(make_shop):
    shop = make_shop()
    shop.land(
        "2024-05-01",
        [buy(product="p1"), buy(product="p1", currency="USD"), buy(currency="GBP")],
        [
            browse(1, item="p1", category="c", dwell=12.5),
            browse(2, at="2024-05-01T10:30", kind="add", item="p1"),
            browse(3, at="2024-05-01T11:01", kind="add", item="p2"),  # 31 minutes on: a new session
            browse(4, kind="scroll"),
            browse(5, dwell=-1),
            browse(6, dwell="long"),
            browse(7, visitor=None),
            browse(1, item="p1", category="c", dwell=12.5),
        ],
        [review(1, stars=10, text="great"), review(2, stars=11), review(3), review(4, stars=0), review(5, stars="x")],
    )
    shop.run_night(DAY[1])
    assert {log: shop.accounts(log) for log in EVENTS} == {
        "purchases": {"purchases/2024-05-01.csv": (3, 2, 1, 0)},
        "browses": {"browses/2024-05-01.jsonl": (8, 3, 4, 1)},
        "reviews": {"reviews/2024-05-01.jsonl": (5, 2, 3, 0)},
    }
    assert shop.reasons("purchases") == {3: ["currency_unknown"]}
    assert shop.reasons("browses") == {
        4: ["kind_unknown"], 5: ["dwell_negative"], 6: ["dwell_invalid"], 7: ["customer_id_missing"],
    }  # fmt: skip
    assert shop.reasons("reviews") == {2: ["rating_out_of_range"], 3: ["review_empty"], 5: ["rating_invalid"]}
    assert [row["rating"] for row in shop.rows(REVIEWS)] == [Decimal(5), Decimal(1)]
    assert [row["kind"] for row in shop.rows(BROWSES)] == ["view", "cart_add", "cart_add"]
    (series,) = shop.rows(CUSTOMER_SERIES)
    measures = {name: values[0] for name, values in series.items() if isinstance(values, list) and name != "days"}
    expected = {
        "sale_count": 2, "spend": 3.8, "browse_count": 3, "view_count": 1, "cart_add_count": 2, "dwell_seconds": 12.5,
        "session_count": 2, "viewed_category_count": 1, "abandoned_cart_count": 1, "review_count": 2, "rated_count": 2,
        "rating_sum": 6, "judged_count": 2,
    }  # fmt: skip
    assert {name: measures[name] for name in expected} == expected
    assert len(shop.rows(CUSTOMER_DAY)) == 1


def test_a_rate_counts_from_its_day_on(make_shop):
    shop = make_shop()
    shop.land(
        "2024-05-03",
        [buy(at="2024-04-30 09:00", currency="CHF"), buy(at="2024-05-02 09:00", currency="CHF"),
         buy(at="2024-05-03 09:00", currency="CHF"), buy(at="2024-04-30 09:00", currency="USD")],
    )  # fmt: skip
    shop.run_night(DAY[3])
    assert shop.reasons("purchases") == {1: ["currency_unknown"]}
    found = {(row["event_day"].day, row["currency"]): row["unit_price"] for row in shop.rows(PURCHASES)}
    assert found == {(2, "CHF"): Decimal("2.04"), (3, "CHF"): Decimal("2.1"), (30, "USD"): Decimal("1.8")}


def test_a_bot_is_detected_by_its_rate_within_one_delivery(make_shop):
    shop = make_shop()
    minutes = [0, 10, 20, 30, 40, 59]  # six within an hour
    fast = [browse(n, visitor="bot", at=f"2024-05-01T10:{m:02}") for n, m in enumerate(minutes)]
    slow = [browse(100 + n, visitor="eager", at=f"2024-05-01T{10 + n // 5}:{n % 5 * 12:02}") for n in range(12)]
    shop.land("2024-05-01", [], [*fast, *slow, browse(50, visitor="bot", at="2024-05-01T20:00")])
    shop.land("2024-05-02", [], [browse(60, visitor="bot", at="2024-05-02T09:00")])
    clean.run(shop.open_spark, shop.lake, shop.shop, "browses", DAY[2], shop.settings)
    assert shop.accounts("browses") == {
        "browses/2024-05-01.jsonl": (19, 12, 7, 0),
        "browses/2024-05-02.jsonl": (1, 1, 0, 0),
    }
    assert set(map(tuple, shop.reasons("browses").values())) == {("bot_rate",)}


@pytest.mark.parametrize("nights", [2, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_content_does_not_depend_on_the_order_of_nights_and_on_lateness(make_shop, nights):
    def land(shop):
        for n in range(1, nights + 1):
            day, before = str(DAY[n]), str(DAY[max(1, n - n % 5 - 1)])
            ahead = str(DAY[n] + timedelta(days=1))  # the file is named by a day that ends after the shop's
            shop.land(
                day,
                [buy(at=f"{day} 10:00", product=f"p{n}"), buy("b", at=f"{before} 22:00", product="q"),
                 buy("c", at=f"{day} 08:00"), buy("c", at=f"{ahead} 00:30")],
                [browse(n, at=f"{day}T10:00", kind="add", item=f"p{n}", category=f"c{n % 2}"),
                 browse(40 + n, "c", at=f"{ahead}T00:30"), browse(39 + n, "c", at=f"{day}T00:30"),
                 browse(80 + n, "b", at=f"{before}T23:00"), browse(1, at="2024-05-01T10:00", kind="add", item="p1")],
                [review(n, at=f"{day} 20:00", stars=n), review(80 + n, "b", at=f"{before} 20:00", stars=2),
                 review(40 + n, "c", at=f"{ahead} 00:30", stars=3), review(39 + n, "c", at=f"{day} 00:30", stars=3)],
            )  # fmt: skip

    in_order, shuffled = make_shop("in_order"), make_shop("shuffled")
    land(in_order)
    land(shuffled)
    for n in range(1, nights + 1):
        in_order.run_night(DAY[n])
    for n in random.Random(5).sample(range(1, nights + 1), nights):
        shuffled.run_night(DAY[n])
    for table in (*EVENTS.values(), *(quarantine(log) for log in EVENTS), CUSTOMER_DAY, CUSTOMER_SERIES):
        assert in_order.rows(table) == shuffled.rows(table), table.name
    assert {log: in_order.accounts(log) for log in EVENTS} == {log: shuffled.accounts(log) for log in EVENTS}
    for night in range(1, nights + 1):  # an event ahead of its file counts from its own day on, and none is lost
        assert all(row["days"][-1] <= DAY[night] for row in in_order.rows(CUSTOMER_SERIES, str(DAY[night])))
    assert not any("event_after_delivery" in row["reasons"] for log in EVENTS for row in in_order.rows(quarantine(log)))


def test_merged_customers_are_one_from_the_night_of_the_merge_on(make_shop):
    shop = make_shop(text=SHOP.replace("[churn]", 'customer_ids = "case-insensitive"\n[churn]'))
    merged = shop.settings.home / "merged.csv"
    shop.land("2024-05-01", [buy("a"), buy("b", price="3.00")])
    shop.run_night(DAY[1])
    first_night = shop.rows(CUSTOMER_SERIES, "2024-05-01")
    merged.write_text("customer_id,merged_into,since\nB,c,2024-05-01\nC,A,2024-05-02\nA,a,2024-05-02\n")
    shop.land("2024-05-02", [buy("b", at="2024-05-02 10:00", price="4.00")])
    shop.run_night(DAY[2])
    assert len(first_night) == 2
    (one,) = shop.rows(CUSTOMER_SERIES, "2024-05-02")
    assert (one["spend"], one["sale_count"]) == ([5.0, 4.0], [2, 1])
    shop.run_night(DAY[1])  # the night before the merge keeps its content
    assert shop.rows(CUSTOMER_SERIES, "2024-05-01") == first_night
    with psycopg.connect(shop.settings.warehouse_url) as connection:
        query = "select customer_id from identity.customers where customer_key = %s"
        assert connection.execute(query, [one["customer_id"]]).fetchall() == [("a",)]
    merged.write_text(merged.read_text() + "a,b,2024-05-03\n")
    with pytest.raises(ChurnError, match="circle"):
        shop.clean(DAY[3])


TWO_IN_ONE = """
name = "two_in_one"
time_zone = "UTC"
currency = "EUR"
[churn]
activity = "visit"
horizons_days = [2, 4]
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
delivery_day = '(\\d{4}-\\d{2}-\\d{2})'
max_quarantined_share = 1
only = [{ column = "event", equals = "transaction" }]
[sources.purchases.columns]
customer_id = "visitor"
event_at = "at"
unit_price = { constant = "1" }
[sources.browses]
location = "raw"
files = "*.csv"
format = "csv"
delivery_day = '(\\d{4}-\\d{2}-\\d{2})'
max_quarantined_share = 1
only = [{ column = "event", in = ["view", "addtocart"] }]
[sources.browses.columns]
customer_id = "visitor"
event_at = "at"
kind = { column = "event", values = { view = "view", addtocart = "cart_add" } }
"""


def test_a_file_may_feed_two_logs_and_every_record_is_counted_once(make_shop):
    shop = make_shop(text=TWO_IN_ONE)
    shop.put(
        "2024-05-01.csv",
        "visitor,at,event",
        "a,2024-05-01 10:00,view", "a,2024-05-01 10:01,addtocart", "a,2024-05-01 10:02,transaction",
        "b,2024-05-01 10:00,teleport", ",2024-05-01 10:00,view", "cut",
    )  # fmt: skip
    shop.run_night(DAY[1])
    # The unreadable line is rejected in both logs; the line that belongs to no log is rejected by the first.
    assert shop.accounts("purchases") == {"2024-05-01.csv": (6, 1, 2, 0)}
    assert shop.accounts("browses") == {"2024-05-01.csv": (6, 2, 2, 0)}
    assert shop.reasons("purchases") == {4: ["log_unknown"], 6: ["fields_missing"]}
    assert shop.reasons("browses") == {5: ["customer_id_missing"], 6: ["fields_missing"]}
    (series,) = shop.rows(CUSTOMER_SERIES)
    assert (series["sale_count"], series["view_count"], series["cart_add_count"]) == ([1], [1], [1])
