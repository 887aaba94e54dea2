"""Orders that change after their first delivery: each day knows the newest states delivered by its end. One run cleans
many random histories; plain Python computes the expected result.
"""

import json
import random
import shutil
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import pytest

from spark_jobs import customer_day, customer_series
from spark_jobs.cleaning import deliveries
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.tables import PURCHASES, TRAINING_SERIES, quarantine
from spark_jobs.lake.incomplete import list_incomplete
from spark_jobs.raw.hashing import make_hasher
from tests.spark_jobs.shops import SmallShop

SHOP = """
name = "{name}"
time_zone = "Europe/Berlin"
currency = "EUR"
[churn]
horizons_days = [2, 4]
eligible_within_days = 30
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
delivery_day = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'
updates = "latest"
max_quarantined_share = 1
max_conflicting_share = 1
{keys}
[sources.purchases.columns]
customer_id = "customer"
event_at = "at"
product_id = "product"
amount = "total"
{columns}
[sources.purchases.status]
column = "state"
counted = ["paid"]
pending = ["open"]
cancelled = ["void"]
returned = ["refunded"]
"""
HEADER = "line,number,customer,at,product,total,state"
FIRST, DAYS = date(2026, 3, 1), 7
NIGHTS = (1, 4, DAYS)
BY_ID = {"keys": "snapshots = true", "columns": 'event_id = "line"'}
BY_ORDER = {"keys": 'event_key = ["number"]', "columns": ""}
BY_BOTH = {"keys": 'event_key = ["number"]', "columns": 'event_id = "line"'}


def day(n):
    return FIRST + timedelta(days=n)


def draw_line(rng, key, n):
    """A record of an event by the day n: (line, number, customer, at, product, total, state)."""
    number, at = key.partition(".")[0], day(rng.randrange(n + 1))
    total = rng.choice(["1.00", "2.50", "7.25", "none"])
    return (key, number, rng.choice("abc"), f"{at} 10:00:00", rng.choice("pq"), total,
            rng.choice(["paid", "PAID", "paid", "open", "void", "refunded", "odd"]))  # fmt: skip


def draw_history(seed, orders=60):
    """Day -> its files, name -> records: snapshots of all orders on some days, only those that changed on others; an
    order may lose and gain lines, and a line be twice in a file or in two files of a day."""
    rng, files, current = random.Random(seed), {}, {}
    for n in range(DAYS):
        changed = [f"{o}" for o in range(orders) if rng.random() < (0.3 if n else 0.7)]
        for order in changed:
            lines = [f"{order}.{line}" for line in range(rng.randint(1, 3))]
            current[order] = [draw_line(rng, line, n) for line in lines]
        is_snapshot = rng.random() < 0.4
        records = [record for order in (current if is_snapshot else changed) for record in current[order]]
        records += [draw_line(rng, record[0], n) for record in rng.sample(records, len(records) // 10)]
        files[n] = {f"{day(n)}_b.csv": records}
        if rng.random() < 0.5:  # an earlier state of some of them, in a file of the same day
            again = rng.sample(sorted(current), min(5, len(current)))
            files[n][f"{day(n)}_a.csv"] = [draw_line(rng, f"{order}.0", n) for order in again]
    return files


def draw_arrivals(seed, files):
    """Night -> its new files, (day in the path, name, delivery day): late files belong to the night that first sees
    them."""
    rng, arrivals = random.Random(seed), {night: [] for night in NIGHTS}
    for n, of_day in files.items():
        for name in of_day:
            nights = [night for night in NIGHTS if night >= n]
            night = nights[min(rng.choice([0, 0, 1]), len(nights) - 1)]
            arrivals[night].append((n, name, n if night == nights[0] else night))
    return arrivals


def find_truth(files, arrivals, by):
    """Day -> what counts at its end: how often each (customer, event day, product, kind, money) occurs."""
    state, truth, seen = {}, {}, []
    delivered = sorted((day, n, name) for come in arrivals.values() for n, name, day in come)
    for today in range(DAYS + 1):
        newest, here = {}, [(n, name) for day, n, name in delivered if day == today]
        seen += [n for n, _ in here]
        for n, name in here:
            if by is BY_ID and n < max(seen):  # a snapshot after a newer one
                continue
            groups = {}
            for record in files[n][name]:
                groups.setdefault(record[0] if by is BY_ID else record[1], []).append(record)
            newest |= {key: find_lines(lines, by) for key, lines in groups.items()}
        state |= newest
        truth[today] = +Counter(event for lines in state.values() for event in map(find_event, lines) if event)
    return truth


def find_lines(records, by):
    """The lines of an order in a file: of those with an id the last record each."""
    return records if by is BY_ORDER else [*{record[0]: record for record in records}.values()]


def find_event(record):
    """What a record counts as; None for nothing."""
    _, _, customer, at, product, total, word = record
    if word.lower() not in ("paid", "refunded") or total == "none":
        return None
    return customer, at[:10], product, "return" if word == "refunded" else "sale", Decimal(total)


def find_known(shop, n):
    """The same from the clean events that were delivered up to the day."""
    found, keys = Counter(), find_keys(shop)
    for row in shop.lake.arrow(PURCHASES).to_pylist():
        if row["delivery_day"] <= day(n):
            event = (keys[row["customer_id"]], str(row["event_day"]), row["product_id"], row["kind"], row["amount"])
            found[event] += row["weight"]
    assert min(found.values(), default=0) >= 0
    return +found


def find_keys(shop):
    """Customer key -> id."""
    return {make_hasher(shop.settings, shop.shop).customer_key(name): name for name in "abc"}


def sum_days(known):
    """(customer, event day) -> sales, spend, returns, refund: of the events that are known."""
    sums = {}
    for (customer, at, _, kind, money), count in known.items():
        one = sums.setdefault((customer, at), [0, 0, 0, 0])
        place = 0 if kind == "sale" else 2
        one[place] += count
        one[place + 1] += count * money
    return sums


@pytest.mark.parametrize("by", [BY_ID, BY_ORDER, BY_BOTH], ids=["by_id", "by_order", "by_both"])
def test_each_day_knows_the_newest_states_delivered_by_then(spark, tmp_path, warehouse_url, monkeypatch, by):
    files = draw_history(1)
    arrivals = draw_arrivals(1, files)
    truth = find_truth(files, arrivals, by)
    shop = SmallShop(spark, tmp_path, warehouse_url, SHOP.format(name="updates", **by))
    for night, published in zip(NIGHTS, (None, *NIGHTS), strict=False):
        for n, name, _ in arrivals[night]:
            shop.put(name, HEADER, *(",".join(record) for record in files[n][name]))
        newest = None if published is None else day(published)
        monkeypatch.setattr(deliveries, "newest_night", lambda _, newest=newest: newest)
        shop.clean(day(night))
    for n in range(DAYS + 1):
        assert find_known(shop, n) == truth[n], n
    content, accounts = shop.rows(PURCHASES), shop.accounts()
    for table in (PURCHASES, quarantine("purchases"), ACCOUNTS):
        shutil.rmtree(shop.lake.folder(table))
    shop.clean(day(DAYS))  # all nights in one run
    assert (shop.rows(PURCHASES), shop.accounts()) == (content, accounts)
    incomplete = list_incomplete(shop.lake)
    assert len(incomplete) == (by is BY_ID)  # only there are the files full snapshots, and some lack orders
    assert all(f"missing from {day(max(files))}_b.csv" in one for one in incomplete)
    if by is BY_ORDER:
        customer_day.run(shop.open_spark, shop.lake, shop.shop, day(DAYS))
        customer_series.run(shop.open_spark, shop.lake, shop.shop, day(5), TRAINING_SERIES)
        assert find_series(shop) == {key: [*map(float, one)] for key, one in sum_days(truth[5]).items()}


def find_series(shop):
    """(customer, event day) -> sales, spend, returns, refund: of the training series."""
    keys, found = find_keys(shop), {}
    for row in shop.rows(TRAINING_SERIES):
        parts = zip(*(row[name] for name in ("sale_count", "spend", "return_count", "refund")), strict=True)
        for at, part in zip(row["days"], parts, strict=True):
            key = (keys[row["customer_id"]], str(at))
            found[key] = [sum(both) for both in zip(part, found.get(key, [0] * 4), strict=True)]
    return {key: one for key, one in found.items() if any(one)}  # a day may have been withdrawn


def test_a_corrected_record_counts_until_the_shop_changes_it(spark, tmp_path, warehouse_url):
    shop = SmallShop(spark, tmp_path, warehouse_url, SHOP.format(name="mended", **BY_ID))
    good, faulty = ("1.0", "1", "a", f"{day(0)} 10:00", "p", "1.00", "paid"), ["2.0", "2", "b", f"{day(0)} 10:00", "p"]

    def put(n, end):
        shop.put(f"{day(n)}.csv", HEADER, ",".join(good), ",".join([*faulty, *end]))

    def find(n):
        return sorted(amount for (*_, amount), count in find_known(shop, n).items() for _ in range(count))

    def run(n, end):
        put(n, end)
        shop.clean(day(n))
        return find(n)

    assert run(0, ("free", "paid")) == [Decimal("1.00")]
    (rejected,) = shop.rows(quarantine("purchases"))
    columns = shop.shop.sources["purchases"].raw_columns
    corrected = dict(zip(HEADER.split(","), [*faulty, "5.00", "paid"], strict=True))
    line = {name: corrected[name] for name in columns}
    line["_place"] = f"{rejected['delivery_id']}:{rejected['record_number']}"
    folder = shop.settings.home / "fixes" / "mended" / "purchases"
    folder.mkdir(parents=True)
    (folder / "one.jsonl").write_text(json.dumps(line) + "\n")
    assert run(1, ("free", "paid")) == [Decimal("1.00"), Decimal("5.00")]  # the same faulty record comes again
    for n, end in enumerate([("free", "paid"), ("6.00", "paid")], 2):
        put(n, end)
    shop.clean(day(3))
    shop.put(f"{day(4)}.csv", HEADER, ",".join([*faulty, "6.00", "void"]))
    shop.clean(day(4))  # a cancellation only
    known = [find(n) for n in (2, 3, 4)]
    assert known == [[Decimal("1.00"), Decimal("5.00")], [Decimal("1.00"), Decimal("6.00")], [Decimal("1.00")]]
