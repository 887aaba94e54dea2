"""Mapping and judging a purchase record: types, zones, returns, rules of the shop."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from spark_jobs.cleaning.judging import judge_events
from spark_jobs.contract.shop.model import Bands, Rate, Shop
from spark_jobs.contract.shop.source import ColumnMapping, Condition, Rejection, Source
from spark_jobs.raw import reader as raw

COLUMNS = {
    "customer_id": ColumnMapping("id"),
    "event_at": ColumnMapping("at"),
    "quantity": ColumnMapping("quantity"),
    "unit_price": ColumnMapping("price"),
}
BASE = {"id": "7", "at": "2011-06-08 12:00:00", "quantity": "2", "price": "1.50"}


def make_shop(time_zone="Europe/London", columns=None, **options):
    source = Source("purchases", "", "*", "csv", columns or COLUMNS, **options)
    return Shop("shop", time_zone, "GBP", {"purchases": source}, bands=Bands())


def judge(spark, shop, *records):
    """The judged rows of records, given as raw values by column name."""
    source = shop.sources["purchases"]
    rows = [
        ("d1", n, None, record.get("id") and f"hash of {record['id']}", f"r{n}", *map(record.get, source.raw_columns))
        for n, record in enumerate(records, 1)
    ]
    judged = judge_events(spark.createDataFrame(rows, raw.record_ddl(source)), shop, "purchases")
    return sorted(judged.collect(), key=lambda row: row["record_number"])


def with_time(columns=None, **mapping):
    return {**(columns or COLUMNS), "event_at": ColumnMapping("at", **mapping)}


def test_a_plain_record_is_typed(spark):
    (row,) = judge(spark, make_shop(), BASE)
    assert row["reasons"] == []
    assert row["event_at"] == datetime(2011, 6, 8, 11, 0)  # British summer time
    assert row["event_day"] == date(2011, 6, 8)
    assert (row["quantity"], row["unit_price"]) == (Decimal("2.000"), Decimal("1.500000"))
    assert (row["currency"], row["kind"]) == ("GBP", "sale")


@pytest.mark.parametrize(
    ("zone", "at", "mapping", "instant", "day"),
    [
        ("Europe/London", "2011-03-27 00:59:59", {}, datetime(2011, 3, 27, 0, 59, 59), date(2011, 3, 27)),
        ("Europe/London", "2011-03-27 01:30:00", {}, datetime(2011, 3, 27, 1, 30), date(2011, 3, 27)),  # skipped hour
        ("Europe/London", "2011-03-27 02:00:00", {}, datetime(2011, 3, 27, 1, 0), date(2011, 3, 27)),
        ("Europe/London", "2011-10-30 01:30:00", {}, datetime(2011, 10, 30, 0, 30), date(2011, 10, 30)),  # twice
        ("Europe/London", "2011-06-08 23:30:00", {"zone": "UTC"}, datetime(2011, 6, 8, 23, 30), date(2011, 6, 9)),
        ("Europe/London", "2011-06-08T23:30:00Z", {}, datetime(2011, 6, 8, 23, 30), date(2011, 6, 9)),
        ("Asia/Shanghai", "2011-06-08T23:30:00+02:00", {}, datetime(2011, 6, 8, 21, 30), date(2011, 6, 9)),
        ("America/New_York", "1997-01-01", {}, datetime(1997, 1, 1, 5, 0), date(1997, 1, 1)),
        ("America/Sao_Paulo", "2017-10-15", {}, datetime(2017, 10, 15, 3, 0), date(2017, 10, 15)),  # no midnight
        ("UTC", "08.06.2011 12:05", {"format": "dd.MM.yyyy HH:mm"}, datetime(2011, 6, 8, 12, 5), date(2011, 6, 8)),
        ("Asia/Shanghai", "1307491200", {"format": "epoch_s"}, datetime(2011, 6, 8), date(2011, 6, 8)),
        ("America/New_York", "1307491200123", {"format": "epoch_ms"}, datetime(2011, 6, 8, 0, 0, 0, 123000),
         date(2011, 6, 7)),
    ],
)  # fmt: skip
def test_instants_and_days_in_the_shops_zone(spark, zone, at, mapping, instant, day):
    (row,) = judge(spark, make_shop(zone, with_time(**mapping)), {**BASE, "at": at})
    assert (row["reasons"], row["event_at"], row["event_day"]) == ([], instant, day)


def test_a_time_that_names_its_zone_is_not_moved_again(spark):
    zone_texts = [
        " UTC",
        " GMT",
        "UTC",
        "Z",
        " Z",
        "+0",
        "+00:00:00",
        ".000 UTC",
        " -04:00",
        "-4:00",
        "-0400",
        " EST5EDT",
    ]
    zone_texts += [" America/New_York", " Europe/London", " +05:30"]
    behind = [*[0.0] * 8, *[-4.0] * 5, 1.0, 5.5]  # hours of July
    records = [{**BASE, "at": f"2024-07-01 10:20:30{zone}"} for zone in zone_texts]
    rows = judge(spark, make_shop("Asia/Shanghai"), *records)
    instants = [datetime(2024, 7, 1, 10, 20, 30) - timedelta(hours=hours) for hours in behind]
    assert dict(zip(zone_texts, [row["event_at"] for row in rows], strict=True)) == dict(
        zip(zone_texts, instants, strict=True)
    )


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"id": None}, ["customer_id_missing"]),
        ({"at": None}, ["event_at_missing"]),
        ({"at": "yesterday"}, ["event_at_invalid"]),
        ({"at": "12:30:00"}, ["event_at_invalid"]),  # Spark would take today
        ({"at": "2011-02-30"}, ["event_at_invalid"]),
        ({"quantity": None}, ["quantity_invalid"]),
        ({"quantity": "two"}, ["quantity_invalid"]),
        ({"quantity": "NaN"}, ["quantity_invalid"]),
        ({"quantity": "1e30"}, ["quantity_invalid"]),
        ({"quantity": "0"}, ["quantity_zero"]),
        ({"quantity": "-1"}, ["quantity_negative"]),
        ({"price": ""}, ["price_invalid"]),
        ({"price": "Infinity"}, ["price_invalid"]),
        ({"price": "-0.01"}, ["price_negative"]),
        ({"price": "0"}, []),
        ({"quantity": "999999999.999", "price": "1"}, []),
        ({"quantity": "4006381333931"}, ["quantity_too_large"]),  # a bar code
        ({"quantity": "999999999", "price": "1000.01"}, ["amount_too_large"]),
        ({"quantity": "2", "price": "499999999999.999999"}, ["amount_too_large"]),  # it would be rounded up to 10^12
        ({"id": " ", "at": "x", "price": "y"}, ["customer_id_missing", "event_at_invalid", "price_invalid"]),
    ],
)
def test_every_fault_of_a_record_has_its_reason(spark, change, reasons):
    record = {**BASE, **change}
    record["id"] = (record["id"] or "").strip() or None
    (row,) = judge(spark, make_shop(), record)
    assert row["reasons"] == reasons


def test_epochs_in_the_wrong_unit_are_refused(spark):
    (row,) = judge(spark, make_shop(columns=with_time(format="epoch_s")), {**BASE, "at": "1307491200123"})
    assert row["reasons"] == ["event_at_invalid"]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_a_placeholder_for_no_time_is_no_time(spark, zone):
    placeholders = ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "1970-01-01", "9999-12-31T23:59:59.9999999Z")
    rows = judge(spark, make_shop(zone), *({**BASE, "at": placeholder} for placeholder in placeholders))
    assert [(row["reasons"], row["event_day"]) for row in rows] == [(["event_at_invalid"], None)] * len(placeholders)


def test_a_price_that_is_too_large_is_rejected_and_stops_nothing(spark):
    largest_price = "999999999999"
    abroad = make_shop(columns={**COLUMNS, "currency": ColumnMapping("c")})
    abroad = replace(abroad, rates=(Rate("USD", Decimal("1.17")),))
    (row,) = judge(spark, abroad, {**BASE, "price": largest_price, "c": "USD"})
    assert row["reasons"] == ["amount_too_large"]
    amounts = {name: mapping for name, mapping in COLUMNS.items() if name != "unit_price"}
    shop = make_shop(columns={**amounts, "amount": ColumnMapping("price")})
    (row,) = judge(spark, shop, {**BASE, "price": largest_price, "quantity": "0.001"})
    assert row["reasons"] == ["amount_too_large"]


def test_a_return_keeps_its_size_and_loses_its_sign(spark):
    shop = make_shop(returns=(Condition("invoice", "starts_with", "C"), Condition("quantity", "below", 0)))
    by_number, by_sign, sale = judge(
        spark, shop, {**BASE, "invoice": "C1"}, {**BASE, "quantity": "-3"}, {**BASE, "invoice": "1"}
    )
    assert [row["kind"] for row in (by_number, by_sign, sale)] == ["return", "return", "sale"]
    assert [row["quantity"] for row in (by_number, by_sign, sale)] == [2, 3, 2]
    assert by_sign["reasons"] == []


AMOUNTS = {name: mapping for name, mapping in COLUMNS.items() if name != "unit_price"} | {
    "amount": ColumnMapping("price")
}


def test_a_given_amount_is_kept(spark):
    shop = make_shop(columns=AMOUNTS, returns=(Condition("quantity", "below", 0),))
    sale, odd, refund, empty = judge(
        spark, shop, {**BASE, "price": "29.73"}, {**BASE, "price": "100.01", "quantity": "30000"},
        {**BASE, "quantity": "-2", "price": "-5"}, {**BASE, "quantity": "0"},
    )  # fmt: skip
    assert (sale["unit_price"], sale["amount"]) == (Decimal("14.865000"), Decimal("29.73"))
    assert (odd["unit_price"], odd["amount"]) == (Decimal("0.003334"), Decimal("100.01"))  # times 30,000: 100.02
    assert (refund["unit_price"], refund["amount"], refund["reasons"]) == (Decimal("2.500000"), Decimal(5), [])
    assert empty["reasons"] == ["quantity_zero"]


@pytest.mark.parametrize("columns", [COLUMNS, AMOUNTS], ids=["unit_price", "amount"])
def test_a_negative_price_is_a_return_by_rule_alone(spark, columns):
    refund = {**BASE, "quantity": "1", "price": "-2.50", "k": "Return"}
    rules = {
        "none": make_shop(columns=columns),
        "price": make_shop(columns=columns, returns=(Condition("price", "below", 0),)),
        "kind": make_shop(columns={**columns, "kind": ColumnMapping("k")}),
    }
    found = {name: judge(spark, shop, refund)[0] for name, shop in rules.items()}
    assert {name: row["reasons"] for name, row in found.items()} == {
        "none": ["price_negative"],
        "price": [],
        "kind": [],
    }
    assert {(row["kind"], row["unit_price"], row["amount"]) for name, row in found.items() if name != "none"} == {
        ("return", Decimal("2.500000"), Decimal("2.50"))
    }


@pytest.mark.parametrize(
    ("quantity", "price", "currency", "unit_price", "amount"),
    [
        ("3", "0.335", "gbp", "0.335000", "1.01"),  # half up
        ("1", "1.0049999", "GBP", "1.005000", "1.01"),  # a unit price has six decimals
        ("0.001", "4.999999", None, "4.999999", "0.00"),
        ("3", "100", " jpy", "0.523000", "1.57"),
        ("3", "0.333", "KWD", "0.859140", "2.58"),
    ],
)
def test_money_is_exact_in_the_shops_currency(spark, quantity, price, currency, unit_price, amount):
    shop = make_shop(columns={**COLUMNS, "currency": ColumnMapping("c")})
    shop = replace(shop, rates=(Rate("JPY", Decimal("0.00523")), Rate("KWD", Decimal("2.58"))))
    record = {**BASE, "quantity": quantity, "price": price, "c": currency and currency.strip()}
    (row,) = judge(spark, shop, record)
    assert (row["reasons"], row["unit_price"], row["amount"]) == ([], Decimal(unit_price), Decimal(amount))


@pytest.mark.parametrize(
    ("numbers", "texts", "read"),
    [
        ("1.234,56", ["1.234,56 €", "EUR 6,90", "4.995", "−3", "7,5-", "(2,00)", "1234,5"],
         ["1234.56", "6.9", "4995", "-3", "-7.5", "-2", "1234.5"]),
        ("1.234,56", ["12.50", "1,234.56", "1.23.456", "1e3", "€", "1,2,3"], [None] * 6),
        ("1,234.56", ["$1,234.56", "-12.5", "1'234", "12,50"], ["1234.56", "-12.5", "1234", None]),
        ("1 234,56", ["1\u202f234,56", "1 234", "12,5 kr", "1.5"], ["1234.56", "1234", "12.5", None]),
        (None, ["1.234", "1,5", "1e3"], ["1.234", None, "1000"]),
    ],
)  # fmt: skip
def test_numbers_are_read_in_the_format_of_the_source(spark, numbers, texts, read):
    shop = make_shop(numbers=numbers)
    rows = judge(spark, shop, *({**BASE, "price": text} for text in texts))
    assert [row["price"] for row in rows] == [text and Decimal(text) for text in read]
    comma = [] if numbers else ["decimal_comma"]  # of no weight where it is known how numbers are spelt
    assert [row["reasons"] for row in rows if row["price"] is None] == [["price_invalid", *comma]] * read.count(None)


def test_a_scale_converts_cents_and_rules_apply_to_raw_numbers(spark):
    columns = {**AMOUNTS, "amount": ColumnMapping("price", scale=Decimal("0.01"))}
    shop = make_shop(columns=columns, numbers="1.234,56", returns=(Condition("price", "below", 0),))
    sale, refund = judge(spark, shop, {**BASE, "price": "4.995"}, {**BASE, "price": "-1.380 €"})
    assert (sale["kind"], sale["amount"]) == ("sale", Decimal("49.95"))
    assert (refund["kind"], refund["amount"], refund["reasons"]) == ("return", Decimal("13.80"), [])


def test_rules_of_the_shop_reject_under_their_own_codes(spark):
    shop = make_shop(
        rejections=(
            Rejection("test_account", Condition("mail", "matches", "@test[.]shop$")),
            Rejection("test_account", Condition("id", "in", ("1", "2"))),
            Rejection("no_mail", Condition("mail", "is_empty", True)),
            Rejection("dear", Condition("price", "above", 1000)),
        )
    )
    rows = judge(
        spark, shop,
        {**BASE, "mail": "a@test.shop"}, {**BASE, "mail": "a@b.c", "id": "2"}, BASE,
        {**BASE, "mail": "a@b.c", "price": "1000.01"}, {**BASE, "mail": "a@b.c"},
    )  # fmt: skip
    assert [row["reasons"] for row in rows] == [["test_account"], ["test_account"], ["no_mail"], ["dear"], []]


def test_a_rule_with_a_known_code_extends_it(spark):
    rules = (
        Rejection("customer_id_missing", Condition("id", "equals", "0")),
        Rejection("price_negative", Condition("price", "equals", "0")),
    )
    rows = judge(
        spark, make_shop(rejections=rules),
        {**BASE, "id": "0"}, {**BASE, "id": None}, {**BASE, "price": "0"}, {**BASE, "price": "-1"}, BASE,
    )  # fmt: skip
    missing, negative = ["customer_id_missing"], ["price_negative"]
    assert [row["reasons"] for row in rows] == [missing, missing, negative, negative, []]


def test_a_foreign_currency_and_an_unknown_kind_are_refused(spark):
    shop = make_shop(columns={**COLUMNS, "currency": ColumnMapping("c"), "kind": ColumnMapping("k")})
    rows = judge(spark, shop, {**BASE, "c": "USD", "k": "sale"}, {**BASE, "k": "gift"}, {**BASE, "k": "Return"})
    assert [row["reasons"] for row in rows] == [["currency_unknown"], ["kind_unknown"], []]
    assert rows[2]["kind"] == "return"


def test_an_unreadable_record_has_its_fault_as_only_reason(spark):
    shop = make_shop()
    ddl = raw.record_ddl(shop.sources["purchases"])
    frame = spark.createDataFrame([("d1", 1, "json_malformed", None, "r1", None, None, None, None)], ddl)
    (row,) = judge_events(frame, shop, "purchases").collect()
    assert row["reasons"] == ["json_malformed"]


def sell(quantity="1", price="5.00", **other):
    return {**BASE, "quantity": quantity, "price": price, **other}


@pytest.mark.parametrize("name", ["unit_price", "amount"])
@pytest.mark.parametrize("numbers", [None, "1,234.56"])
def test_a_rule_may_use_the_sign_of_any_number(spark, name, numbers):
    columns = {**COLUMNS, name: ColumnMapping("price", scale=Decimal("0.01"))}
    columns.pop("amount" if name == "unit_price" else "unit_price", None)
    rules = tuple(Condition(column, "below", 0) for column in ("price", "quantity"))
    shop = make_shop(columns=columns, returns=rules, numbers=numbers)
    signs = [sell("2", "-300"), sell("-2", "300"), sell("-2", "-300"), sell("2", "300")]
    rows = judge(spark, shop, *signs, *([sell("2", "(3.00)"), sell("2-", "$3.00-")] if numbers else []))
    assert [row["kind"] for row in rows[:4]] == ["return", "return", "return", "sale"]
    assert {row["kind"] for row in rows[4:]} <= {"return"}
    assert [row["reasons"] for row in rows] == [[]] * len(rows)
    line = Decimal("6.00") if name == "unit_price" else Decimal("3.00")
    assert {(row["quantity"], row["amount"]) for row in rows[:4]} == {(2, line)}
    unruled = judge(spark, replace_source(shop, returns=()), *signs)
    assert [bool(row["reasons"]) for row in unruled] == [True, True, True, False]


def replace_source(shop, **changes):
    return replace(shop, sources={"purchases": replace(shop.sources["purchases"], **changes)})


def test_a_currency_is_read_as_code_sign_or_name(spark):
    spelt = {
        "eur": "EUR", " Eur ": "EUR", "€": "EUR", "Euro": "EUR", "12,50 €": "EUR", "US$": "USD", "us dollars": "USD",
        "US-Dollar": "USD", "$": "USD", "£": "GBP", "British Pound": "GBP", "": "GBP", "kr.": "SEK", "CHF": "CHF",
        "points": "POINTS",
    }  # fmt: skip
    columns = {**COLUMNS, "currency": ColumnMapping("currency")}
    rates = tuple(Rate(code, Decimal("0.5")) for code in ("EUR", "USD", "SEK"))
    shop = replace(make_shop(columns=columns), rates=rates)
    rows = judge(spark, shop, *(sell(currency=text.strip() or None) for text in spelt))
    assert [row["currency"] for row in rows] == list(spelt.values())
    unknown = [row["currency"] for row in rows if "currency_unknown" in row["reasons"]]
    assert unknown == ["CHF", "POINTS"]
    canadian = replace(shop, currency="CAD", rates=(*rates, Rate("AUD", Decimal(1))))
    assert judge(spark, canadian, sell(currency="$"))[0]["currency"] == "CAD"  # the shop's own dollars


def test_a_column_may_have_its_own_number_format(spark):
    columns = {**COLUMNS, "unit_price": ColumnMapping("price", numbers="1.234,56")}
    rows = judge(spark, make_shop(columns=columns), sell("1.5", "1.234,56 €"), sell("1", "12.50"))
    assert [(row["quantity"], row["unit_price"]) for row in rows] == [
        (Decimal("1.5"), Decimal("1234.56")), (1, None),
    ]  # fmt: skip
    assert rows[1]["reasons"] == ["price_invalid"]


def test_date_time_and_zone_may_have_their_own_columns(spark):
    """As Square exports them."""
    mapping = ColumnMapping("Date", format="MM/dd/yy HH:mm:ss", further_formats=("MM/dd/yy",),
                            further_columns=("Time",), zone_column="Time Zone")  # fmt: skip
    shop = make_shop("Europe/Berlin", {**COLUMNS, "event_at": mapping})
    zones = ["Berlin", "Eastern Time (US & Canada)", None, "nowhere"]
    records = [sell(**{"Date": "06/01/26", "Time": "23:02:58", "Time Zone": zone}) for zone in zones]
    rows = judge(spark, shop, *records, sell(Date="06/01/26"), sell(Time="23:02:58"), sell())
    assert [row["event_at"] for row in rows[:3]] == [
        datetime(2026, 6, 1, 21, 2, 58), datetime(2026, 6, 2, 3, 2, 58), datetime(2026, 6, 1, 21, 2, 58),
    ]  # fmt: skip
    assert [str(row["event_day"]) for row in rows[:3]] == ["2026-06-01", "2026-06-02", "2026-06-01"]
    assert [row["reasons"] for row in rows[3:]] == [
        ["event_at_invalid"], [], ["event_at_invalid"], ["event_at_missing"],
    ]  # fmt: skip


def test_the_amount_is_the_first_column_that_is_not_zero(spark):
    columns = COLUMNS | {"unit_price": ColumnMapping("price", others=("debit",))}
    shop = make_shop(columns=columns, returns=(Condition("debit", "above", 0.0),))
    pairs = [("1.50", None), (None, "2.50"), ("0.00", "2.50"), ("1.50", "0"), ("0", None), (None, None)]
    rows = judge(spark, shop, *({**BASE, "price": price, "debit": debit} for price, debit in pairs))
    assert [None if row["unit_price"] is None else (float(row["unit_price"]), row["kind"]) for row in rows] == [
        (1.5, "sale"), (2.5, "return"), (2.5, "return"), (1.5, "sale"), (0.0, "sale"), None,
    ]  # fmt: skip
    assert rows[-1]["reasons"] == ["price_invalid"]
