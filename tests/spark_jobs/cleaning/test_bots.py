"""Bots are those whom a comparison of all pairs of records finds, in files of random sessions."""

import json
import random
from collections import defaultdict
from datetime import date

import pytest

from spark_jobs.cleaning.bots import HOUR_S, find_bots
from spark_jobs.cleaning.plan import CleaningPlan
from spark_jobs.cleaning.records import judge_records, read_records
from spark_jobs.contract.shop.model import Bands, Shop
from spark_jobs.contract.shop.orders import Spread
from spark_jobs.contract.shop.source import ColumnMapping, DeliveryDay, Source
from spark_jobs.contract.tables import EVENTS
from spark_jobs.raw import frequent
from spark_jobs.raw.hashing import Hasher
from spark_jobs.raw.reader import Intake

LIMIT = 6
DAY_S = 1_714_521_600  # 2024-05-01
COLUMNS = {"event_id": ColumnMapping("id"), "customer_id": ColumnMapping("who"), "kind": ColumnMapping("type"),
           "event_at": ColumnMapping("at", format="epoch_s")}  # fmt: skip
HASHER = Hasher(b"k" * 32, "shop")


def make_shop(dated=True, limit=LIMIT):
    named = DeliveryDay(r"(\d{4}-\d{2}-\d{2})") if dated else None
    source = Source("browses", "", "*", "jsonl", COLUMNS, named, max_events_per_hour=limit)
    return Shop("shop", "UTC", "EUR", {"browses": source})


def draw_session(rng, who):
    """A customer's records about an hour apart, some of them faulty, so that many are just within the limit."""
    begin, count = DAY_S + rng.randrange(60_000), rng.choice([1, LIMIT, LIMIT + 1, LIMIT + 1, 3 * LIMIT])
    for number in range(count):
        at = begin + number * rng.choice([0, 1, HOUR_S // LIMIT - 1, HOUR_S // LIMIT, HOUR_S // LIMIT + 1])
        kind = rng.choice(["view"] * 9 + ["teleport"])
        yield {"who": rng.choice([who, f" {who}"]) if who else who, "at": at, "type": kind}


def draw_files(seed, names):
    """Lines by file. Some customers are in several files, and their sessions mix."""
    rng = random.Random(seed)
    files = {}
    for name in names:
        sessions = [list(draw_session(rng, rng.choice([None, *"abcdefgh"]))) for _ in range(rng.randint(1, 14))]
        lines = [line for session in sessions for line in session]
        rng.shuffle(lines)
        files[name] = [{"id": f"{name}-{number}", **line} for number, line in enumerate(lines)]
    return files


def find_by_hand(files):
    """(file, customer) of those with more good records than the limit in [t, t + 1 hour)."""
    times = defaultdict(list)
    for name, lines in files.items():
        for line in lines:
            if line["who"] and line["type"] == "view":
                times[name, line["who"].strip()].append(line["at"])
    return {key for key, found in times.items()
            if any(sum(at <= other < at + HOUR_S for other in found) > LIMIT for at in found)}  # fmt: skip


def deliver(folder, files):
    rows = []
    for name, lines in files.items():
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (folder / name).write_text(text)
        rows.append({"delivery_id": name, "path": name, "byte_count": len(text), "not_before": None,
                     "delivery_day": date(2024, 5, 1), "seen_as_of": date(2024, 5, 1)})  # fmt: skip
    return CleaningPlan(EVENTS["browses"], "", tuple(rows), tuple(rows))


@pytest.mark.parametrize("seed", range(4))
def test_bots_are_those_of_a_comparison_of_all_records_of_a_file(spark, tmp_path, monkeypatch, seed):
    monkeypatch.setattr(frequent, "BUCKET_HEX_DIGITS", 1 + seed)  # with one, customers share their buckets
    files = draw_files(seed, [f"f{number}" for number in range(10)])
    plan, shop = deliver(tmp_path, files), make_shop()
    intake, expected = Intake(shop.sources["browses"], str(tmp_path), ""), find_by_hand(files)
    bots = find_bots(spark, plan, shop, intake, HASHER)
    keys = {HASHER.customer_key(who): who for who in "abcdefgh"}
    assert {(name, keys[key]) for name, found in bots.items() for key in found} == expected
    assert 0 < len(expected) < len({(name, line["who"]) for name, lines in files.items() for line in lines})

    judged = judge_records(read_records(spark, plan, intake, HASHER, bots), plan, shop)
    reasons = {(row["delivery_id"], row["record_number"]): row["reasons"] for row in judged.collect()}
    for name, lines in files.items():
        for number, line in enumerate(lines, 1):
            is_bot = (name, (line["who"] or "").strip()) in expected
            faults = ["customer_id_missing"] * (not line["who"]) + ["kind_unknown"] * (line["type"] != "view")
            assert reasons[name, number] == (faults or ["bot_rate"] * is_bot)


def test_a_file_that_is_not_held_is_read_again(spark, tmp_path, monkeypatch):
    files, shop = draw_files(9, ["f"]), make_shop()
    plan, intake = deliver(tmp_path, files), Intake(shop.sources["browses"], str(tmp_path), "")
    held = find_bots(spark, plan, shop, intake, HASHER)
    monkeypatch.setattr(frequent, "HELD_BYTES", 0)
    assert find_bots(spark, plan, shop, intake, HASHER) == held != {}


def test_without_a_limit_no_file_is_read_for_it(tmp_path):
    shop = make_shop(limit=None)
    intake = Intake(shop.sources["browses"], str(tmp_path / "missing"), "")
    assert find_bots(None, None, shop, intake, HASHER) == {}


def test_records_whose_verdict_depends_on_other_customers_are_judged_with_these(spark, tmp_path):
    """The deductions of one customer's line exceed the worth of the order, so its other lines are no good either."""
    columns = {"event_id": ColumnMapping("line"), "customer_id": ColumnMapping("who"),
               "unit_price": ColumnMapping("price"), "event_at": ColumnMapping("at", format="epoch_s")}  # fmt: skip
    source = Source("purchases", "", "*", "csv", columns, event_key=("order",), spread=Spread((), ("discount",)),
                    max_events_per_hour=LIMIT)  # fmt: skip
    shop = Shop("shop", "UTC", "EUR", {"purchases": source}, bands=Bands())
    lines = [f"a{n},a,1,{DAY_S},o{n % 2}," for n in range(2 * LIMIT)] + [f"b,b,1,{DAY_S},o1,99"]
    text = "".join(f"{line}\n" for line in ["line,who,price,at,order,discount", *lines])
    (tmp_path / "f").write_text(text)
    row = {"delivery_id": "f", "path": "f", "byte_count": len(text), "not_before": None,
           "delivery_day": date(2024, 5, 1), "seen_as_of": date(2024, 5, 1)}  # fmt: skip
    plan = CleaningPlan(EVENTS["purchases"], "", (row,), (row,))
    assert find_bots(spark, plan, shop, Intake(source, str(tmp_path), ""), HASHER) == {}
