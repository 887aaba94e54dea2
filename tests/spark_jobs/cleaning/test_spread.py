"""Amounts of a whole order are spread over its lines: exact to the cent, in proportion, in any order of lines."""

import random
from collections import defaultdict
from decimal import Decimal

from spark_jobs.cleaning.judging import judge_events
from spark_jobs.contract.shop.model import Bands, Shop
from spark_jobs.contract.shop.orders import Spread
from spark_jobs.contract.shop.source import ColumnMapping, Condition, Rejection, Source
from spark_jobs.raw import reader as raw

COLUMNS = {name: ColumnMapping(name) for name in ("customer_id", "event_at", "quantity", "unit_price")}
SOURCE = Source(
    "purchases", "", "*", "csv", COLUMNS, event_key=("order",), spread=Spread(("shipping", "tax"), ("discount",)),
    rejections=(Rejection("child", Condition("parent", "is_empty", False)),),
    returns=(Condition("quantity", "below", 0),),
)  # fmt: skip
SHOP = Shop("shop", "UTC", "EUR", {"purchases": SOURCE}, bands=Bands())
BASE = {"customer_id": "c", "event_at": "2026-06-01", "quantity": "1", "unit_price": "10.00"}


def judge(spark, *records):
    rows = [("d1", n, None, "hash", f"r{n}", *map({**BASE, **record}.get, SOURCE.raw_columns))
            for n, record in enumerate(records, 1)]  # fmt: skip
    judged = judge_events(spark.createDataFrame(rows, raw.record_ddl(SOURCE)), SHOP, "purchases")
    return sorted(judged.collect(), key=lambda row: row["record_number"])


def spread_by_hand(cents, total):
    """The share of each line of a total, by the largest remainder; all in cents."""
    weights = cents if sum(cents) else [1] * len(cents)
    shares = [abs(total) * weight // sum(weights) for weight in weights]
    remainders = [-(abs(total) * weight % sum(weights)) for weight in weights]
    for n in sorted(range(len(cents)), key=remainders.__getitem__)[: abs(total) - sum(shares)]:
        shares[n] += 1
    return [share if total >= 0 else -share for share in shares]


def draw_orders(seed=3, orders=150):
    """Records, and the expected amount of each in cents."""
    rng, records, expected = random.Random(seed), [], []
    for number in range(orders):
        cents = [rng.choice([0, 1, 99, 333, 1000, rng.randrange(10**6)]) for _ in range(rng.randint(1, 6))]
        shipping, tax, discount = (rng.choice([None, 0, 1, 7, 395, 1900]) for _ in range(3))
        discount = min(discount or 0, sum(cents)) or None
        total = (shipping or 0) + (tax or 0) - (discount or 0)
        expected += [line + share for line, share in zip(cents, spread_by_hand(cents, total), strict=True)]
        is_on_first_line = rng.random() < 0.5
        for place, line in enumerate(cents):
            once = {"shipping": shipping, "tax": tax, "discount": discount and -discount}  # a sign does not matter
            texts = {name: None if value is None or (place and is_on_first_line) else f"{value / 100:.2f}"
                    for name, value in once.items()}  # fmt: skip
            records.append({"order": f"o{number}", "unit_price": f"{line / 100:.2f}", **texts})
    return records, expected


def test_sums_are_exact_and_shares_by_the_largest_remainder(spark):
    records, expected = draw_orders()
    rows = judge(spark, *records)
    assert [row["reasons"] for row in rows] == [[]] * len(rows)
    found, right = defaultdict(int), defaultdict(int)
    for record, row, cents in zip(records, rows, expected, strict=True):
        found[record["order"]] += row["amount"]
        right[record["order"]] += Decimal(cents) / 100
    assert found == right
    assert [int(row["amount"] * 100) for row in rows] == expected


def test_spreading_covers_the_right_lines_and_rejects_invalid_amounts(spark):
    rows = judge(
        spark,
        {"order": "1", "discount": "5"}, {"order": "1", "quantity": "-1"},  # the return takes no share
        {"order": "2", "quantity": "-2", "discount": "4"},  # a return alone takes it
        {"order": "3", "discount": "2", "parent": "x"}, {"order": "3"},  # a line that is rejected takes none
        {"order": "4", "discount": "10.01"},
        {"order": "5", "discount": "ten"},
        {"discount": "1"}, {"discount": "2"},  # without an order number each line is its own order
        {"order": "6", "unit_price": "none", "discount": "3"}, {"order": "6"},
    )  # fmt: skip
    assert [(str(row["amount"]), row["reasons"]) for row in rows] == [
        ("5.00", []), ("10.00", []), ("16.00", []), ("10.00", ["child"]), ("8.00", []),
        ("-0.01", ["spread_invalid"]), ("10.00", ["spread_invalid"]), ("9.00", []), ("8.00", []),
        ("None", ["price_invalid"]), ("7.00", []),
    ]  # fmt: skip
