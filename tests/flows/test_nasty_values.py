"""No value of any column breaks a later step: a record is rejected, or usable up to the tensors."""

import json
from datetime import date, timedelta

import numpy as np
import psycopg

from spark_jobs import customer_series
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.tables import TRAINING_SERIES, quarantine
from tests.spark_jobs.shops import SmallShop
from training.config import ModelSettings
from training.tensors.dataset import TensorSpec

NASTY_DAY = date(2024, 5, 6)
DAYS = [date(2024, 5, 1) + timedelta(n) for n in range(8)]
SOURCE = """
[sources.{log}]
location = "raw"
files = "*.{log}.jsonl"
format = "jsonl"
delivery_day = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'
max_quarantined_share = 1
[sources.{log}.columns]
{columns}
"""
SHOP = """
name = "nasty"
time_zone = "Europe/Berlin"
currency = "EUR"
[churn]
horizons_days = [2, 4]
eligible_within_days = 4
[rates]
JPY = 0.00598
"""
PLAIN = {
    "customer_id": "c1", "product_id": "p1", "category": "shoes", "session_id": "s1", "currency": "EUR",
    "quantity": 1, "unit_price": "2.50", "amount": "2.50", "dwell_seconds": 3, "rating": 4, "text": "good",
}  # fmt: skip
NUMBERS = [
    "9" * 11, "4006381333931", "9" * 12 + ".999999", "9" * 15 + ".999", "9" * 40, "1e11", "1e15", "1e308", "1e-308",
    "-0", "-1e15", "NaN", "-Infinity", "1,5", "0x1F", "١٢", "1_000", "0.0000000000000000001", 10**30, True, [1],
    {"a": 1},
]  # fmt: skip
TEXTS = [
    "\x00", "a\x00b", "\x1f", "\x1e|\x1f", "\x7f\x01", "a\nb\r\tc", "\ufeffa", "\u200b", "\u202eabc", "\ufffe",
    "\U0010ffff", "e\u0301" * 100, "\U0001d160" * 128, "'; drop table x; --", '"', "\\", "\\N", "%s {0} [/]",
    "__HIVE_DEFAULT_PARTITION__",
    "null", "NaN", "İ" * 170, "ß" * 256, "a" * 256, "a" * 512, "a" * 513, "字" * 171, "b" * 2704, "c" * 4096,
    "c" * 4097, "d" * 100_000, "x" * 900_000, "sale", "return", "",
]  # fmt: skip
TIMES = [
    "0001-01-01", "9999-12-31 23:59:59", "+292278994-08-17", "2024-02-30", "2024-05-01 24:00:00", "1e3", "now", "\x00",
    "-2024-05-01", "99999999999999999999", "2024-05-01T10:00:00+25:00", "2024-05-01T10:00:00[Europe/Nowhere]",
]  # fmt: skip
EDGES = {"quantity": "999999999.999", "unit_price": "999999999999.99", "dwell_seconds": "999999999.999"}


KIND = {"purchases": "sale", "browses": "view"}


def make_record(log: str, day: date, number: object, **changed) -> dict:
    names = [name for name in LOGS[log].canonical if name in PLAIN]
    own = {"event_id": f"{day}-{number}", "event_at": f"{day} 10:00:00", "kind": KIND.get(log)}
    return {name: PLAIN[name] for name in names} | own | changed


def extreme_values(name: str) -> list:
    if name in ("quantity", "unit_price", "dwell_seconds", "rating"):
        return NUMBERS + TEXTS
    return TEXTS + TIMES + NUMBERS if name == "event_at" else TEXTS


def make_extreme_records(log: str, day: date) -> list[dict]:
    """Each column once with each extreme value, the others usual; and one customer many times with the largest
    values."""
    changes = [{name: value} for name in LOGS[log].canonical if name != "amount" for value in extreme_values(name)]
    large_customer = {name: largest for name, largest in EDGES.items() if name in LOGS[log].canonical}
    changes += [{"customer_id": "whale", name: largest} for name, largest in large_customer.items() for _ in range(50)]
    changes += [{"customer_id": "\ud800"}, {"product_id": "a\udfff"}]
    return [make_record(log, day, number, **change) for number, change in enumerate(changes)]


def test_clean_records_with_extreme_values_pass_through_all_jobs(spark, tmp_path, warehouse_url):
    mapped = {name: [one for one in log.canonical if one != "amount"] for name, log in LOGS.items()}
    columns = {log: "\n".join(f'{name} = "{name}"' for name in names) for log, names in mapped.items()}
    text = SHOP + "".join(SOURCE.format(log=log, columns=columns[log]) for log in mapped)
    text = text.replace(
        "[sources.purchases]", '[sources.purchases]\nplausible_amount = "any"'
    )  # customers with large amounts must pass
    shop, lines_in = SmallShop(spark, tmp_path, warehouse_url, text=text), dict.fromkeys(mapped, 0)
    for day in DAYS:
        for log in mapped:
            records = make_extreme_records(log, day) if day == NASTY_DAY else [make_record(log, day, "plain")]
            shop.put(f"{day}.{log}.jsonl", *map(json.dumps, records))
            lines_in[log] += len(records)
    shop.run_night(DAYS[-1])
    for log, names in mapped.items():
        accounts = [sum(counts) for counts in zip(*shop.accounts(log).values(), strict=True)]
        assert accounts[0] == lines_in[log] == sum(accounts[1:])
        reasons = {code for row in shop.lake.arrow(quarantine(log))["reasons"].to_pylist() for code in row}
        assert {"customer_id_invalid", "value_invalid", "encoding_invalid"} <= reasons
        assert "kind" not in names or "kind_unknown" in reasons
    with psycopg.connect(warehouse_url) as connection:
        query = "SELECT customer_id FROM identity.customers WHERE shop = 'nasty'"
        known = {row[0] for row in connection.execute(query).fetchall()}
    assert {"whale", "a" * 512, "|"} <= known
    customer_series.run(shop.open_spark, shop.lake, shop.shop, DAYS[-1], TRAINING_SERIES)
    series = shop.lake.arrow(TRAINING_SERIES, [DAYS[-1].isoformat()])
    tensors = TensorSpec.from_shop(shop.shop, ModelSettings()).build(series, DAYS[-1], 0, 8)
    assert len(series) > 20
    assert np.isfinite(tensors.inputs).all()
