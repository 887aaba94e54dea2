"""What the fast path takes is what the general one makes of it, and it takes what is written plainly."""

import json
import random
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from spark_jobs.cleaning import readings
from spark_jobs.cleaning.fast_path import FastPath
from spark_jobs.cleaning.plan import CleaningPlan
from spark_jobs.cleaning.records import judge_records, open_fast_path, read_records
from spark_jobs.contract.shop.model import ColumnMapping, Condition, DeliveryDay, Rate, Rejection, Shop, Source
from spark_jobs.contract.tables import EVENTS, PURCHASES, quarantine
from spark_jobs.raw import reader as raw
from spark_jobs.raw.hashing import Hasher
from tests.spark_jobs.shops import SmallShop

DELIVERED = date(2024, 4, 2)  # two days after Europe's clocks changed
HASHER = Hasher(b"key", "shop")
NUMBERS = [
    "1", "2", "1.5", "0.25", "12.125", "-2", "-2.5", "0", "-0", "007", "00", "1e3", "1E-2", ".5", "1.", "+1", "1.2345",
    "1.0000005", "123456789012345", "1234567890123456", "999999999", "1000000000", "999999.995",
    "499999999999.999999", "123456789012.123456", "9" * 40, "NaN", "Infinity", "1 2",
    "1,5", "0x1", "1\n", "1d", "1.5f", "\uff11", "none", " 3 ", "\t3", "", None,
]  # fmt: skip
ODD_IDS = ["c\x001", "a" * 512, "a" * 513, "字" * 171]
WORDS = ["p1", "a\x00b", "\x1f", "\U0010ffff" * 1025, "x" * 4096, "Zo\u00eb", "a\tb", "", " ", "null", None]
TIMES = [
    "2024-04-01 24:00:00", "2024-04-01 23:59:60", "2024-02-30 10:00:00", "2024-03-31 02:30:00", "2024-03-10 02:30:00",
    "2024-4-1 9:00:00", "2024-04-01", "10:00:00", "2024-04-01 10:00", "2024-04-01T10", "2024-04-01T10:00:00+02:00",
    "2024-04-01T10:00:00z", "2024-04-01T10:00:00.Z", "2024-04-01T10:00:00.1234567Z", "2024-04-01 10:00:00 Z", "soon",
    "2024-04-01T10:00:00\n", "2024-04-01T10:00:00.5", "1711965600", "1711965600000", "1711965600000.5", "-1", "0",
    "1e12", "99999999999999", "001711965600000", "\uff11711965600000", "", None,
]  # fmt: skip
PLACED = {"customer_id": ColumnMapping("who"), "event_at": ColumnMapping("at"), "product_id": ColumnMapping("what")}
BROWSES = Source(
    "browses", "", "*", "jsonl",
    PLACED | {
        "event_id": ColumnMapping("id"),
        "event_at": ColumnMapping("at", format="epoch_ms"),
        "kind": ColumnMapping("kind", values=(("pv", "view"), ("add", "cart_add"), ("", "search"))),
        "dwell_seconds": ColumnMapping("n"),
    },
    rejections=(Rejection("test_account", Condition("who", "starts_with", "test-")),),
)  # fmt: skip
ISO_BROWSES = Source(
    "browses", "", "*", "jsonl", PLACED | {"event_at": ColumnMapping("at", zone="America/New_York"),
                                           "kind": ColumnMapping("kind"), "session_id": ColumnMapping(constant="s")},
    only=(Condition("kind", "in", ("view", "search", "VIEW")), Condition("what", "equals", "p1")), event_key=("n",),
    rejections=(Rejection("long", Condition("n", "above", 2.5)), Rejection("bare", Condition("id", "is_empty", True))),
    leaves_rest=True,
)  # fmt: skip
PURCHASES_SOURCE = Source(
    "purchases", "", "*", "jsonl",
    PLACED | {"event_at": ColumnMapping("at", format="yyyy-MM-dd HH:mm:ss"), "quantity": ColumnMapping("n"),
              "unit_price": ColumnMapping("price"), "currency": ColumnMapping("currency")},
    returns=(Condition("n", "below", 0), Condition("price", "below", 0)),
)  # fmt: skip
EPOCH_PURCHASES = Source(
    "purchases", "", "*", "jsonl",
    PLACED | {"event_at": ColumnMapping("at", format="epoch_s"), "unit_price": ColumnMapping("price"),
              "kind": ColumnMapping("kind")},
)  # fmt: skip
WRITE_TIME = {
    "epoch_ms": lambda at: int(at.timestamp() * 1000),
    "epoch_s": lambda at: str(int(at.timestamp())),
    "yyyy-MM-dd HH:mm:ss": lambda at: f"{at:%Y-%m-%d %H:%M:%S}",
    None: lambda at: (
        at.isoformat("T" if at.second % 2 else " ", "auto" if at.second % 3 else "minutes") + "Z" * (at.minute % 2)
    ),
}


def make_line(source: Source, chance: random.Random) -> str:
    """A record; nearly every value that it has is plain, or nearly none."""
    is_plain = chance.random() < 0.5

    def either(plain, others):
        return plain if is_plain or chance.random() < 0.7 else chance.choice(others)

    at = datetime(2024, 3, 25) + timedelta(seconds=chance.randrange(9 * 86400), microseconds=chance.choice([0, 500]))
    kinds = ["view", "search", "sale", "return", "pv", "add"]
    return json.dumps({
        "id": chance.choice(["e1", "e2", None]),
        "who": either(f"c{chance.randrange(9)}", [" c1 ", "\tc1", "\u00a0", "test-1", *ODD_IDS, "", None, 7]),
        "at": either(WRITE_TIME[source.columns["event_at"].format](at), TIMES),
        "what": either("p1", WORDS),
        "kind": either(chance.choice(kinds), ["View", "VIEW", "teleport", " view", "", None]),
        "n": either(chance.choice(["1", "2.5", "-3", 4, 0.125]), NUMBERS),
        "price": either(chance.choice(["1.50", 12, "0", "0.335", "-7.25"]), NUMBERS),
        "currency": either("EUR", ["USD", "CHF", "eur", "", None]),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("source", "zone"),
    [
        (BROWSES, "Europe/Berlin"),
        (ISO_BROWSES, "Europe/Berlin"),
        (PURCHASES_SOURCE, "Europe/London"),
        (EPOCH_PURCHASES, "America/St_Johns"),
    ],
    ids=["browses", "ISO browses", "purchases", "epoch purchases"],
)
def test_what_is_taken_is_what_the_general_path_gives(spark, tmp_path, source, zone):
    chance = random.Random(zone)
    (tmp_path / "f").write_text("".join(make_line(source, chance) + "\n" for _ in range(5000)))
    source = replace(source, delivery_day=DeliveryDay("(.*)", None if zone == "Europe/Berlin" else "UTC"))
    shop = Shop("shop", zone, "EUR", {source.log: source}, rates=(Rate("USD", 2),))
    delivery = {"delivery_id": "d", "path": "f", "delivery_day": DELIVERED, "not_before": None,
                "seen_as_of": DELIVERED, "byte_count": 1}  # fmt: skip
    plan = CleaningPlan(EVENTS[source.log], "", (delivery,), (delivery,))
    path = open_fast_path(spark, plan, shop)
    taken = {}
    for batch in raw.read_delivery(source, str(tmp_path), "f", "d", HASHER):
        taken |= {event["record_number"]: event for event in path.take(batch)[1].to_pylist()}
    intake = raw.Intake(source, str(tmp_path), "")
    judged = judge_records(read_records(spark, plan, intake, HASHER), plan, shop).toArrow().to_pylist()
    clean_ones = {row["record_number"]: row for row in judged if row["verdict"] == "clean"}
    assert len(judged) == 5000
    assert taken == {number: {name: clean_ones[number][name] for name in taken[number]} for number in taken}
    assert len(taken) > 0.5 * len(clean_ones) > 250


def test_a_rule_of_another_kind_closes_the_path():
    reasons = {"customer_id_missing", "dwell_negative", "test_account"}
    assert FastPath.can_take(BROWSES, reasons)
    assert not FastPath.can_take(BROWSES, reasons | {"a_new_reason"})
    assert FastPath.can_take(PURCHASES_SOURCE, set())
    for condition in (Condition("n", "matches", "^-"), Condition("n", "below", 1e-7)):
        assert not FastPath.can_take(replace(PURCHASES_SOURCE, returns=(condition,)), set())


DEFECTS = ["", "a,b", ",2011-03-02 10:00,p,c,1,2.00", "a,soon,p,c,1,2.00", "a,2011-03-01 10:00,p,c,0,-1",
           "a,2011-03-02 10:00,p,c,1e0,2.00", "a,2011-03-02 10:00,p,c,1,2.00"]  # fmt: skip


def test_the_lake_is_the_same_without_the_path(spark, tmp_path, warehouse_url, monkeypatch, capsys):
    shops = [SmallShop(spark, tmp_path / name, warehouse_url) for name in ("with", "without")]
    for shop in shops:
        for day in (1, 2, 3):
            lines = [f"c{n % 7},2011-03-0{day} 1{n % 9}:00,p{n},c,{n % 3 - 1 or 2},2.00" for n in range(50)]
            shop.deliver(f"2011-03-0{day}.csv", *lines, *DEFECTS)
        shop.clean(date(2011, 3, 3))
        monkeypatch.setattr(readings, "open_fast_path", lambda *_: None)
    for table in (PURCHASES, quarantine("purchases")):
        assert shops[0].rows(table) == shops[1].rows(table) != []
    assert shops[0].accounts() == shops[1].accounts()
    first, second = capsys.readouterr().out.split("purchases: 3 files")[1:]
    assert first == second
