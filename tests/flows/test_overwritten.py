"""A raw file that is overwritten after it was cleaned: does its new content leave published nights unchanged?"""

from __future__ import annotations

from datetime import date

import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.tables import CUSTOMER_SERIES, PURCHASES
from tests.spark_jobs.shops import DATED, SHOP, SmallShop

DAY = {n: date(2011, 3, n) for n in range(1, 6)}
NEW_RULE = '[[sources.purchases.reject]]\ncolumn = "customer"\nequals = "tester"\nreason = "test_account"\n'


def line(customer: str, day: int = 1, price: str = "2.00") -> str:
    return f"{customer},2011-03-0{day} 10:00,p,c,1,{price}"


def test_published_days_keep_their_content_under_new_rules(spark, tmp_path, warehouse_url, capsys):
    shop = SmallShop(spark, tmp_path, warehouse_url)
    shop.deliver("2011-03-01.csv", line("a"), line("b"))
    shop.run_night(DAY[1])
    before = shop.rows(PURCHASES)
    shop.deliver("2011-03-01.csv", line("a"), line("b", price="9.00"), line("later"))
    shop.deliver("2011-03-02.csv", line("c", 2), line("tester", 2))
    text = SHOP.format(name="small", exact_duplicates="keep", delivery_day=DATED) + NEW_RULE
    stricter = SmallShop(spark, tmp_path, warehouse_url, text)
    stricter.run_night(DAY[2])
    output = capsys.readouterr().out
    assert "published days keep their content, although these files have changed: 2011-03-01.csv\n" in output
    assert stricter.rows(PURCHASES, "2011-03-01") == before
    # The new content is a delivery of the second day, and its known records are duplicates.
    later = [(row["event_day"], float(row["unit_price"])) for row in stricter.rows(PURCHASES, "2011-03-02")]
    assert sorted(later) == [(DAY[1], 2.0), (DAY[1], 9.0), (DAY[2], 2.0)]
    assert len(stricter.rows(CUSTOMER_SERIES, "2011-03-02")) == 4
    version = stricter.lake.version(PURCHASES)
    stricter.clean(DAY[2])
    assert stricter.lake.version(PURCHASES) == version


def test_a_file_overwritten_before_its_day_is_published_counts_with_its_new_content(spark, tmp_path, warehouse_url):
    shop = SmallShop(spark, tmp_path, warehouse_url)
    shop.deliver("2011-03-01.csv", line("half"))
    shop.clean(DAY[1])
    shop.deliver("2011-03-01.csv", line("whole"), line("a"))
    shop.clean(DAY[1])
    assert len(shop.rows(PURCHASES)) == 2
    counts = sorted((row["lines_in"], row["clean"], row["duplicates"]) for row in shop.rows(ACCOUNTS, "purchases"))
    assert counts == [(0, 0, 0), (2, 2, 0)]


def test_a_dump_that_reaches_into_open_days_and_is_overwritten_stops_the_run(spark, tmp_path, warehouse_url):
    shop = SmallShop(spark, tmp_path, warehouse_url, delivery_day="")
    shop.deliver("all.csv", line("a"), line("b", 3))
    shop.run_night(DAY[1])
    before, content = shop.rows(PURCHASES), (shop.raw / "all.csv").read_text()
    shop.deliver("all.csv", line("a", price="9.00"), line("b", 3), line("c", 2))
    with pytest.raises(ChurnError, match=r"^all.csv of delivery day 2011-03-03 has other content now .* another path$"):
        shop.clean(DAY[2])
    assert shop.rows(PURCHASES) == before
    (shop.raw / "all.csv").rename(shop.raw / "more.csv")
    (shop.raw / "all.csv").write_text(content)
    shop.clean(DAY[2])  # as the message proposes
    assert shop.rows(PURCHASES, "2011-03-01") == [row for row in before if row["delivery_day"] == DAY[1]]
