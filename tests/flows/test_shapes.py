"""Nested records, and records between other rows, are read correctly; each log of the shop has another shape. The
purchases are here, the other logs in tests/cases/test_shapes.py, which `make test-cases` runs.
"""

import io
import json
import zipfile
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from spark_jobs.checking.findings import Findings
from spark_jobs.checking.judged_log import judge_log
from spark_jobs.cleaning.accounts import check_accounts, count_expected, make_accounts
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from tests.spark_jobs.raw.workbooks import write_workbook

ZONE = ZoneInfo("Europe/Berlin")
SHOP = """
name = "shapes"
time_zone = "Europe/Berlin"
currency = "EUR"
[churn]
horizons_days = [2, 4]
[sources.purchases]
location = "raw"
files = "orders *.zip"
format = "jsonl"
delivery_day = { pattern = 'orders (.*)\\.zip', format = "dd.MM.yyyy" }
[sources.purchases.columns]
event_id = "line_items[].id"
customer_id = "billing.email"
event_at = { column = "date_created_gmt", zone = "UTC" }
product_id = "line_items[].sku"
category = "meta_data[channel].value"
quantity = "line_items[].quantity"
unit_price = "line_items[].price"
currency = "currency?"
[sources.browses]
location = "raw"
files = "events.parquet"
format = "parquet"
[sources.browses.columns]
customer_id = "event_params[user].value"
event_at = "at"
kind = { column = "name", values = { view_item = "view" } }
product_id = "items[].item_id"
[sources.reviews]
location = "raw"
files = "reviews.xlsx"
format = "xlsx"
sheet = "Reviews"
skip_lines = "auto"
skip_last = 1
[sources.reviews.columns]
customer_id = "Customer"
event_at = "Day"
rating = "Stars"
"""


def order(number: int, *items: dict, **more) -> dict:
    return {"id": number, "date_created_gmt": "2026-10-20T06:00:00", "billing": {"email": f"c{number % 2}@example.org"},
            "line_items": list(items), "meta_data": [{"key": "channel", "value": "web"}], **more}  # fmt: skip


def item(number: int, price: float) -> dict:
    return {"id": number, "sku": f"A{number}", "quantity": 2, "price": price}


def write_orders() -> bytes:
    """An archive with an array and with JSON lines; only one order names its currency."""
    array = [order(1, item(11, 1.25), item(12, 2)), order(2)]
    lines = [order(3, item(31, 10.005), currency="EUR"), order(4, item(41, 1), billing=None)]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("1.json", json.dumps(array, indent=1))
        archive.writestr("2.jsonl", "".join(json.dumps(one) + "\n" for one in lines))
    return content.getvalue()


def write_events() -> bytes:
    """Two viewed products and a search without a product; times have their zone."""
    user = [{"key": "user", "value": {"string_value": "c1@example.org", "int_value": None}}]
    rows = [
        {"at": datetime(2026, 10, 20, 23, 30, tzinfo=ZONE), "name": "view_item", "event_params": user,
         "items": [{"item_id": "A11"}, {"item_id": "A12"}]},
        {"at": datetime(2026, 10, 20, 1, 30, tzinfo=ZONE), "name": "view_item", "event_params": user, "items": []},
    ]  # fmt: skip
    table, content = pa.Table.from_pylist(rows), io.BytesIO()
    zoned = table["at"].cast(pa.timestamp("us", "Europe/Berlin"))
    pq.write_table(table.set_column(0, "at", zoned), content)
    return content.getvalue()


REVIEWS = {"Info": [["made by hand"]], "Reviews": [
    ["Reviews of October"], [], ["Customer", "Day", "Stars"], ["c1@example.org", date(2026, 10, 20), 5],
    ["Mean", None, 5.0],
]}  # fmt: skip


def judge_shape(spark, folder, log: str) -> tuple[list[dict], Counter[str]]:
    """The clean events of a log, and the number of rejections by reason. They stop no night."""
    (folder / "raw").mkdir()
    (folder / "raw" / "orders 20.10.2026.zip").write_bytes(write_orders())
    (folder / "raw" / "events.parquet").write_bytes(write_events())
    (folder / "raw" / "reviews.xlsx").write_bytes(write_workbook(REVIEWS))
    (folder / "shop.toml").write_text(SHOP)
    shop, findings = load_shop(folder / "shop.toml"), Findings()
    judged = judge_log(lambda: spark, shop, log, Settings(folder / "home"), 400, findings)
    assert findings.problems == []
    expected = count_expected(judged.tallies, shop.sources[log].expected_reasons)
    check_accounts(log, make_accounts(judged.tallies, tuple(judged.files)), 0.5, "the night", expected=expected)
    rows = judged.records.collect()
    clean = [row.asDict() for row in rows if row["verdict"] == "clean"]
    return clean, Counter(reason for row in rows for reason in row["reasons"])


def test_each_item_of_archived_json_orders_is_an_event(spark, tmp_path):
    clean, reasons = judge_shape(spark, tmp_path, "purchases")
    assert sorted((row["product_id"], row["amount"], row["category"], str(row["delivery_day"])) for row in clean) == [
        ("A11", Decimal("2.50"), "web", "2026-10-20"), ("A12", Decimal("4.00"), "web", "2026-10-20"),
        ("A31", Decimal("20.01"), "web", "2026-10-20"),
    ]  # fmt: skip
    assert (len(clean), reasons["customer_id_missing"], reasons["price_invalid"]) == (3, 1, 1)
