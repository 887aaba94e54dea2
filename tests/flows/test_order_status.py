"""A status applies to the whole order, although the export has it on the order's first line only."""

import io
from datetime import date

from rich.console import Console

from spark_jobs.check import check_shop
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import PURCHASES, quarantine
from tests.spark_jobs.shops import SmallShop

SHOP = """
name = "orders"
time_zone = "Europe/Berlin"
currency = "EUR"
[churn]
horizons_days = [2, 4]
eligible_within_days = 4
[sources.purchases]
location = "raw"
files = "*.csv"
format = "csv"
event_key = ["Name"]
max_quarantined_share = 0.5
delivery_day = '(\\d{4}-\\d{2}-\\d{2})'
[sources.purchases.columns]
customer_id = "Email"
event_at = "Created at"
product_id = "Sku"
unit_price = "Price"
"""
STATUS = """
[sources.purchases.status]
column = "Financial Status"
counted = ["paid"]
pending = ["pending"]
cancelled = ["voided", "expired"]
returned = ["refunded"]
"""
HEADER = "Name,Email,Financial Status,Created at,Sku,Price,Billing Email,parent_item_id"
AT = "2026-06-01 10:00:00"


def order(name, status, *prices):
    """The lines of an order; the first one has the status."""
    return [f"#{name},{name}@example.org,{'' if n else status},{AT},p{n},{price},," for n, price in enumerate(prices)]


def run_check(spark, shop):
    out = io.StringIO()
    try:
        check_shop(lambda: spark, shop.shop, shop.settings, Console(file=out, width=300), 400)
    except ChurnError as error:
        return f"{out.getvalue()}{error}"
    return out.getvalue()


def test_a_status_applies_to_all_lines_and_cancelled_orders_stop_no_run(spark, tmp_path, warehouse_url):
    shop = SmallShop(spark, tmp_path, warehouse_url, SHOP + STATUS)
    lines = [*order(1, "PAID", "1.00", "2.00"), *order(2, "voided", "3.00", "none", "5.00"),
             *order(3, "Pending", "6.00", "7.00"), *order(4, "refunded", "8.00", "9.00"),
             *order(5, "expired", "10.00"), *order(6, "on-hold", "11.00"),
             f"#7,,paid,{AT},set,12.00,7@example.org,", f"#7,,,{AT},part,0.00,7@example.org,12"]  # fmt: skip
    shop.put("2026-06-01.csv", HEADER, *lines)
    shop.clean(date(2026, 6, 1))
    events = [(row["kind"], float(row["amount"])) for row in shop.rows(PURCHASES)]
    assert sorted(events) == [("return", 8.0), ("return", 9.0), ("sale", 1.0), ("sale", 2.0)]
    rows = shop.lake.arrow(quarantine("purchases")).to_pylist()
    reasons = {row["record_number"]: row["reasons"] for row in rows}
    assert reasons == {  # other faults of orders that do not count are ignored
        **{number: ["order_cancelled"] for number in (3, 4, 5, 10)},
        **{number: ["order_pending"] for number in (6, 7)},
        11: ["status_unknown"],
        **{number: ["customer_id_missing"] for number in (12, 13)},
    }
    assert "set under [sources.purchases.status]" in (output := run_check(spark, shop))
    assert 'pending = ["pending", "on-hold"]' in output
    (tmp_path / "shop.toml").write_text(SHOP)
    shop.shop = load_shop(tmp_path / "shop.toml")
    output = run_check(spark, shop)
    assert "every order counts, whatever 'Financial Status' says" in output
    assert 'pending = ["Pending", "on-hold"]' in output
    assert 'customer_id = { first_of = ["Email", "Billing Email"] }' in output
    assert "1 lines of the sample cost nothing and are parts of other lines, by 'parent_item_id'" in output
