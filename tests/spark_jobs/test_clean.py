"""From raw files to series: every record is counted, the order of nights does not matter, no later data is used."""

import gzip
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from spark_jobs import clean, customer_day
from spark_jobs.contract.customer_ids import CustomerIds
from spark_jobs.contract.errors import AuditError, ChurnError
from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, PURCHASES, quarantine
from spark_jobs.lake import publishing as lake
from spark_jobs.lake.ledger import list_runs
from tests.spark_jobs.shops import DATED, HEADER, SHOP, SmallShop

DAY = {n: date(2011, 3, n) for n in range(1, 32)}
QUARANTINE = quarantine("purchases")


def line(customer="a", at="2011-03-01 10:00", product="p", category="c", quantity=1, price="2.00"):
    return f"{customer},{at},{product},{category},{quantity},{price}"


@pytest.fixture
def make_shop(spark, tmp_path, warehouse_url):
    return lambda name="s", **options: SmallShop(spark, tmp_path / name, warehouse_url, **options)


def deliver_three_days(shop):
    """Sales, a return, equal lines, a late event, a repeated delivery, bad lines."""
    shop.deliver(
        "2011-03-01.csv",
        line("a"), line("a"), line("b", category="d"), line("", product="q"), line("c", at="2011-03-03 09:00"),
    )  # fmt: skip
    shop.deliver(
        "2011-03-02.csv",
        line("a", at="2011-03-02 10:00", price="3.00"),
        line("b", at="2011-03-01 23:00", category="e"),
        line("b", quantity=-1, at="2011-03-02 12:00"),
        line("c", price="free", at="2011-03-02 12:00"),
        "a,b",
    )
    shop.deliver("2011-03-03-again.csv", line("a"), line("a"), line("b", category="d"))
    shop.deliver("2011-03-03.csv", line("c", at="2011-03-03 08:00"), line("a", at="2011-03-01 23:30", category="e"))


@pytest.fixture(scope="module")
def at_once(spark, tmp_path_factory, warehouse_url):
    """The three days, loaded in one run."""
    shop = SmallShop(spark, tmp_path_factory.mktemp("at_once"), warehouse_url)
    deliver_three_days(shop)
    shop.run_night(DAY[3])
    return shop


def test_one_run_over_a_range_equals_the_nights_one_by_one(at_once, make_shop):
    nightly = make_shop()
    deliver_three_days(nightly)
    for day in (DAY[1], DAY[2], DAY[3]):
        nightly.run_night(day)
    assert at_once.accounts() == nightly.accounts() == {
        "2011-03-01.csv": (5, 3, 2, 0),  # one line without a customer, one of two days after its delivery
        "2011-03-02.csv": (5, 3, 2, 0),
        "2011-03-03-again.csv": (3, 0, 0, 3),
        "2011-03-03.csv": (2, 2, 0, 0),
    }  # fmt: skip
    for table in (PURCHASES, QUARANTINE, CUSTOMER_DAY):
        assert at_once.rows(table) == nightly.rows(table)
    assert at_once.rows(CUSTOMER_SERIES, "2011-03-03") == nightly.rows(CUSTOMER_SERIES, "2011-03-03")
    reasons = [reason for row in at_once.rows(QUARANTINE) for reason in row["reasons"]]
    assert sorted(reasons) == ["customer_id_missing", "event_after_delivery", "fields_missing", "price_invalid"]


def test_zone_and_lag_of_the_day_in_a_path_are_settings(make_shop):
    """In March New York is five hours behind London: its 2nd ends there on the 3rd at five."""
    named = "delivery_day = { pattern = '(\\d{4}-\\d{2}-\\d{2})', zone = 'America/New_York', lag_days = 1 }"
    shop = make_shop(delivery_day=named)
    times = ("2011-03-01 23:00", "2011-03-02 10:00", "2011-03-03 04:59", "2011-03-03 05:00")
    shop.deliver("2011-03-02.csv", *(line(at=at) for at in times))
    shop.clean(DAY[1])
    assert [row["delivery_day"] for row in shop.rows(DELIVERIES)] == [DAY[1]]
    assert sorted(row["event_day"] for row in shop.rows(PURCHASES)) == [DAY[1], DAY[2], DAY[3]]
    assert [(row["record_number"], row["reasons"]) for row in shop.rows(QUARANTINE)] == [(4, ["event_after_delivery"])]


def test_a_customers_series_has_hand_computed_values(at_once):
    by_spend = {tuple(row["spend"]): row for row in at_once.rows(CUSTOMER_SERIES)}
    # a: two equal lines and one that came two days late on the 1st, where "e" was new; one line on the 2nd
    a = by_spend[(4.0, 2.0, 3.0)]
    assert (a["first_day"], a["days"], a["late_days"]) == (DAY[1], [DAY[1], DAY[1], DAY[2]], [0, 2, 0])
    assert (a["sale_count"], a["item_quantity"], a["new_category_count"]) == ([2, 1, 1], [2, 1, 1], [1, 1, 0])
    # b: a sale on the 1st, a late one of the 1st, a return on the 2nd
    b = by_spend[(2.0, 2.0, 0.0)]
    assert (b["sale_count"], b["return_count"], b["refund"]) == ([1, 1, 0], [0, 0, 1], [0, 0, 2.0])
    assert set(by_spend) == {(4.0, 2.0, 3.0), (2.0, 2.0, 0.0), (2.0,)}


def test_later_deliveries_do_not_change_published_days(make_shop):
    shop = make_shop()
    shop.deliver("2011-03-01.csv", line("a"), line("b"))
    shop.deliver("2011-03-02.csv", line("a", at="2011-03-02 10:00"))
    shop.run_night(DAY[2])
    night = shop.rows(CUSTOMER_SERIES, "2011-03-02")
    # An event and a delivery after as_of, and a file for a day that is published already.
    shop.deliver("2011-03-03.csv", line("b", at="2011-03-03 10:00"))
    shop.deliver("2011-03-01-late.csv", line("c"), line("b"))
    shop.run_night(DAY[3])
    shop.run_night(DAY[2])
    assert shop.rows(CUSTOMER_SERIES, "2011-03-02") == night
    delivered = {row["path"]: row["delivery_day"] for row in shop.rows(DELIVERIES)}
    assert delivered["2011-03-01-late.csv"] == DAY[3]
    assert shop.accounts()["2011-03-01-late.csv"] == (2, 1, 0, 1)
    assert len(shop.rows(CUSTOMER_SERIES, "2011-03-03")) == 3  # the late customer counts from the next night on


def test_a_file_of_an_unpublished_day_reclaims_its_events_from_later_files(make_shop):
    shop, in_order = make_shop("late"), make_shop("in_order")
    for one in (shop, in_order):
        one.deliver("2011-03-02.csv", line("a"), line("b", at="2011-03-02 10:00"))
    shop.clean(DAY[2])
    for one in (shop, in_order):
        one.deliver("2011-03-01.csv", line("a"))
        one.clean(DAY[2])
    assert shop.rows(PURCHASES) == in_order.rows(PURCHASES)
    assert shop.accounts() == {"2011-03-01.csv": (1, 1, 0, 0), "2011-03-02.csv": (2, 1, 0, 1)}


def test_repeating_a_run_commits_nothing(make_shop):
    shop = make_shop()
    shop.deliver("2011-03-01.csv", line("a"), line("b"))
    shop.run_night(DAY[1])
    versions = {table.name: shop.lake.version(table) for table in (PURCHASES, CUSTOMER_DAY, CUSTOMER_SERIES)}
    shop.run_night(DAY[1])
    assert versions == {table.name: shop.lake.version(table) for table in (PURCHASES, CUSTOMER_DAY, CUSTOMER_SERIES)}
    assert len(list_runs(shop.lake, "etl")) == 1


def test_a_job_plans_again_if_another_run_published_its_days(make_shop, monkeypatch, capsys):
    shop = make_shop()
    shop.deliver("2011-03-01.csv", line("a"))
    shop.deliver("2011-03-02.csv", line("b", at="2011-03-02 10:00"))
    shop.clean(DAY[2])

    def overtake(step: str) -> None:
        monkeypatch.undo()
        customer_day.run(shop.open_spark, shop.lake, shop.shop, DAY[1])

    monkeypatch.setattr(lake, "on_step", overtake)
    customer_day.run(shop.open_spark, shop.lake, shop.shop, DAY[2])
    output = capsys.readouterr().out
    assert "planning again: customer_day" in output
    assert "1 rows of 1 delivery days, 2011-03-02 to 2011-03-02" in output  # the other one is done
    assert [row["event_day"] for row in shop.rows(CUSTOMER_DAY)] == [DAY[1], DAY[2]]


def test_the_next_run_writes_the_accounts_of_an_interrupted_one(make_shop, monkeypatch):
    shop = make_shop("dies")
    shop.deliver("2011-03-01.csv", line("a"), line("b", price="free"))

    def die(current, accounts):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(clean, "with_accounts", die)
        with pytest.raises(KeyboardInterrupt):
            shop.run_night(DAY[1])
    assert shop.accounts() == {}
    version = shop.lake.version(PURCHASES)
    shop.run_night(DAY[1])
    assert shop.accounts() == {"2011-03-01.csv": (2, 1, 1, 0)}
    assert shop.lake.version(PURCHASES) == version  # its events were published already


def test_events_of_a_first_dump_belong_to_their_own_days(make_shop):
    shop, dated = make_shop("dump", delivery_day=""), make_shop("dated")
    shop.deliver("all.csv", line("a"), line("b", at="2011-03-02 10:00"), line("c", at="2011-03-05 10:00"), "x")
    dated.deliver("2011-03-01.csv", line("a"))
    dated.deliver("2011-03-02.csv", line("b", at="2011-03-02 10:00"))
    shop.run_night(DAY[2])
    dated.run_night(DAY[2])
    assert shop.accounts() == {"all.csv": (4, 3, 1, 0)}
    assert shop.rows(CUSTOMER_SERIES) == dated.rows(CUSTOMER_SERIES)
    shop.run_night(DAY[5])
    assert len(shop.rows(CUSTOMER_SERIES, "2011-03-05")) == 2  # a was inactive for too long


def test_exact_duplicates_in_a_file_are_one_event_if_configured(make_shop):
    shop = make_shop(exact_duplicates="drop")
    shop.deliver("2011-03-01.csv", line("a"), line("a"), line("b"))
    shop.clean(DAY[1])
    assert shop.accounts() == {"2011-03-01.csv": (3, 2, 0, 1)}


def test_a_broken_file_is_quarantined_whole_and_the_others_load(make_shop):
    shop = make_shop()
    content = "\n".join([HEADER, *(line(f"c{n}", product=n * 7919) for n in range(3000))]) + "\n"
    (shop.raw / "2011-03-01-cut.csv.gz").write_bytes(gzip.compress(content.encode())[:-400])
    (shop.raw / "2011-03-01-narrow.csv").write_text("customer,at\na,2011-03-01\n")
    shop.deliver("2011-03-01.csv", *(line(f"c{n}", price="1.00") for n in range(4000)))
    shop.clean(DAY[1])
    accounts = shop.accounts()
    assert accounts["2011-03-01.csv"] == (4000, 4000, 0, 0)
    assert accounts["2011-03-01-narrow.csv"] == (1, 0, 1, 0)
    lines_in, clean, quarantined, _ = accounts["2011-03-01-cut.csv.gz"]
    assert lines_in == quarantined > 1000
    assert clean == 0


def test_a_refused_file_stops_its_day_unless_allowed(make_shop, capsys):
    shop = make_shop()
    shop.deliver("2011-03-01.csv", *(line(f"c{n}") for n in range(40)))
    shop.put("2011-03-02.csv", HEADER.replace("price", "net prices"), *[line(at="2011-03-02 10:00")] * 3)
    message = (
        r"3 of the 3 records of delivery day 2011-03-02 are in files that are refused: 2011-03-02.csv \(3 records\) has"
    )
    with pytest.raises(AuditError, match=message + " no column 'price', it has .*; did you mean 'net prices'"):
        shop.clean(DAY[2])
    assert shop.rows(PURCHASES) == []
    (shop.raw / "2011-03-02.csv").rename(shop.raw.parent / "taken_away")
    (shop.raw / "2011-03-02-closed.csv").write_bytes(b"")
    shop.run_night(DAY[2])  # neither the removed file nor the one without records stops it
    assert shop.accounts() == {"2011-03-01.csv": (40, 40, 0, 0), "2011-03-02-closed.csv": (0, 0, 0, 0)}
    assert "warning: without records: 2011-03-02-closed.csv" in capsys.readouterr().out
    shop_file = shop.shop.path
    shop_file.write_text(shop_file.read_text().replace("= 0.5", "= 0.5\nmax_refused_share = 1"))
    allowed = SmallShop(shop.open_spark(), shop_file.parent, shop.settings.warehouse_url, text=shop_file.read_text())
    (shop.raw.parent / "taken_away").rename(shop.raw / "2011-03-03.csv")
    allowed.deliver("2011-03-03-more.csv", *(line(f"c{n}", at="2011-03-03 10:00") for n in range(40)))
    allowed.clean(DAY[3])
    assert allowed.accounts()["2011-03-03.csv"] == (3, 0, 3, 0)
    assert {tuple(row["reasons"]) for row in allowed.rows(QUARANTINE)} == {("file_columns_missing",)}
    assert "REFUSED 2011-03-03.csv (3 records)" in capsys.readouterr().out


def test_too_many_quarantined_records_publish_nothing_and_name_the_cause(make_shop):
    shop = make_shop()
    shop.deliver("2011-03-01.csv", line("a"), line(""), line("b", price="x"))
    with pytest.raises(AuditError, match=r"2 of 3 records \(67%\) would be quarantined"):
        shop.clean(DAY[1])
    assert shop.rows(PURCHASES) == []


def test_a_path_without_a_day_and_an_empty_folder_are_errors_with_a_remedy(make_shop):
    shop = make_shop()
    with pytest.raises(ChurnError, match="no file"):
        shop.clean(DAY[1])
    shop.deliver("today.csv", line("a"))
    with pytest.raises(ChurnError, match="correct delivery_day"):
        shop.clean(DAY[1])


def test_customer_ids_are_in_the_warehouse_and_not_in_the_lake(make_shop, warehouse_url):
    import psycopg

    shop = make_shop()
    shop.deliver("2011-03-01.csv", line("very-secret-customer"))
    shop.clean(DAY[1])
    (purchase,) = shop.rows(PURCHASES)
    with psycopg.connect(warehouse_url) as connection:
        found = connection.execute(
            "select customer_id from identity.customers where customer_key = %s", [purchase["customer_id"]]
        ).fetchall()
    assert found == [("very-secret-customer",)]
    held = b"".join(path.read_bytes() for path in Path(shop.lake.root).rglob("*") if path.is_file())
    assert b"very-secret-customer" not in held


def test_equal_records_without_ids_are_several_events_even_if_others_have_ids(make_shop):
    """Online orders have ids, sales at the till have none."""
    text = SHOP.format(name="till", exact_duplicates="keep", delivery_day=DATED)
    shop = make_shop("till", text=text.replace('quantity = "quantity"', 'quantity = "quantity"\nevent_id = "category"'))
    sold = [line("a", category=order) for order in ("o1", "o1", "", "", "")]
    shop.deliver("2011-03-01.csv", *sold)
    shop.deliver("2011-03-02.csv", *sold)
    shop.clean(DAY[2])
    ids = sorted(row["event_id"] for row in shop.rows(PURCHASES))
    assert len(ids) == len(set(ids)) == 4
    counts = sorted((row["clean"], row["duplicates"]) for row in shop.rows(ACCOUNTS, "purchases"))
    assert counts == [(0, 5), (4, 1)]


def test_all_spellings_of_a_customer_have_one_key_after_a_change_of_the_setting(make_shop, warehouse_url):
    import psycopg

    def list_customers() -> list[str]:
        with psycopg.connect(warehouse_url) as connection:
            found = connection.execute("select customer_key, customer_id from identity.customers where shop = 'spelt'")
            ids = dict(found.fetchall())
        return sorted(ids[row["customer_id"]] for row in shop.rows(PURCHASES))

    shop = make_shop("spelt", text=SHOP.format(name="spelt", exact_duplicates="keep", delivery_day=DATED))
    shop.deliver("2011-03-01.csv", line("12345"), line("12345\u00a0", product="q"), line("\u2003777", product="r"))
    shop.clean(DAY[1])
    late = [line(customer, at="2011-03-02 10:00") for customer in ("777.0", "0777", "\ufeff12345", "NULL", "guest")]
    shop.deliver("2011-03-02.csv", *late)
    shop.clean(DAY[2])
    assert list_customers() == ["0777", "12345", "12345", "12345", "777", "777", "guest"]
    shop.shop = replace(shop.shop, customer_ids=CustomerIds("numeric", ("GUEST",)))
    shop.clean(DAY[2])
    assert list_customers() == ["12345"] * 3 + ["777"] * 3
    assert {tuple(row["reasons"]) for row in shop.rows(quarantine("purchases"))} == {("customer_id_missing",)}


ORDERS = SHOP.format(name="orders", exact_duplicates="keep", delivery_day=DATED).replace(
    'quantity = "quantity"', 'quantity = "quantity"\nevent_id = "category"'
)


def test_an_order_number_as_event_id_stops_the_run_with_the_remedy(make_shop):
    shop = make_shop("orders", text=ORDERS)
    lines = [line(product=product, category="o1") for product in ("p", "q", "q", "r")]
    shop.deliver("2011-03-01.csv", *lines)
    remedy = 'other product_id, 3 of them within one file.*event_key = \\["category"\\]'
    with pytest.raises(AuditError, match=f"75% of 4 records would be lost.*{remedy}"):
        shop.clean(DAY[1])
    assert shop.rows(PURCHASES) == []


def test_equal_content_under_one_id_is_no_fault_and_a_few_changed_orders_are_tolerated(make_shop, capsys):
    shop = make_shop("changed", text=ORDERS.replace("max_quar", "max_conflicting_share = 0.25\nmax_quar"))
    whole = [line(product=f"p{n}", category=f"o{n}") for n in range(4)]
    shop.deliver("2011-03-01.csv", *whole)
    shop.clean(DAY[1])
    shop.deliver("2011-03-02.csv", *whole[:3] * 3, line(product="p3", category="o3", quantity=-1))
    shop.clean(DAY[2])
    assert "warning: 1 records have the event_id of another one, but other kind" in capsys.readouterr().out
    shop.deliver("2011-03-03.csv", whole[0], *(line(product=f"p{n}", category=f"o{n}", price="3") for n in (1, 2, 3)))
    with pytest.raises(AuditError, match=r"75% of 4 records would be lost.*other unit_price.*max_conflicting_share"):
        shop.clean(DAY[3])
    assert len(shop.rows(PURCHASES)) == 4
