"""The tables of shop.toml for whole orders."""

import pytest

from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.orders import Spread, Status
from tests.spark_jobs.contract.shop.test_file import GOOD, faults_of, write

STATUS = '[sources.purchases.status]\ncolumn = "State"\n'


def test_words_of_a_status_are_case_insensitive(tmp_path):
    text = GOOD + STATUS + 'counted = ["Paid", ""]\npending = ["On  Hold"]\nreturned = ["refunded"]'
    source = load_shop(write(tmp_path, text)).sources["purchases"]
    assert source.status == Status("State", ("paid", ""), ("on hold",), (), ("refunded",))
    assert source.status.words == {"paid": "counted", "": "counted", "on hold": "pending", "refunded": "returned"}
    assert "State" in source.raw_columns
    assert source.order_level_columns == ()  # no column identifies the order of a line


def test_the_status_of_an_order_holds_for_its_lines(tmp_path):
    keyed = GOOD.replace('format = "csv"', 'format = "csv"\nevent_key = ["No"]\ncarry_down = ["Currency"]')
    source = load_shop(write(tmp_path, keyed + STATUS + 'counted = ["paid"]')).sources["purchases"]
    assert source.order_level_columns == ("Currency", "State")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("", "sources.purchases.status.counted: expected a list of words, found nothing"),
        ('counted = "paid"', "sources.purchases.status.counted: expected a list of words, found 'paid'"),
        ('counted = ["paid"]\npending = ["PAID"]', "each word in one list, 'paid' is in several"),
        ('counted = ["paid"]\nrefunded = ["x"]', "sources.purchases.status.refunded: expected no such key"),
    ],
)
def test_each_fault_of_a_status_is_one_line(tmp_path, lines, fault):
    assert any(fault in found for found in faults_of(tmp_path, GOOD + STATUS + lines))


def test_a_rejection_that_is_expected_is_no_fault_of_the_data(tmp_path):
    rule = '[[sources.purchases.reject]]\nreason = "{}"\ncolumn = "Parent"\nis_empty = false\n'
    text = GOOD + rule.format("child") + "expected = true\n" + rule.format("odd")
    source = load_shop(write(tmp_path, text)).sources["purchases"]
    assert source.expected_reasons == {"order_pending", "order_cancelled", "child"}


KEYED = GOOD.replace('format = "csv"', 'format = "csv"\nevent_key = ["No"]')


def test_amounts_of_a_whole_order_are_read_and_need_order_columns(tmp_path):
    spread = '[sources.purchases.spread]\nadd = ["Shipping"]\nsubtract = ["Discount"]\n'
    source = load_shop(write(tmp_path, KEYED + spread)).sources["purchases"]
    assert source.spread == Spread(("Shipping",), ("Discount",))
    assert {"Shipping", "Discount"} <= set(source.raw_columns)
    assert any("sources.purchases.spread: expected event_key" in fault for fault in faults_of(tmp_path, GOOD + spread))
    assert any("spread.subtract: expected a list" in fault
               for fault in faults_of(tmp_path, KEYED + "[sources.purchases.spread]\n"))  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (GOOD.replace('"csv"', '"csv"\nupdates = "newest"'), "sources.purchases.updates: expected one of latest"),
        (GOOD.replace('"csv"', '"csv"\nupdates = "latest"'), "sources.purchases.updates: expected event_id"),
        (KEYED.replace('"csv"', '"csv"\nupdates = "latest"'), "sources.purchases.updates: expected delivery_day"),
        (GOOD.replace('"csv"', '"csv"\nsnapshots = true'), "sources.purchases.snapshots: expected updates"),
    ],
)
def test_missing_settings_of_updates_are_named(tmp_path, text, fault):
    assert any(fault in found for found in faults_of(tmp_path, text))


def test_a_customer_id_may_come_from_several_columns(tmp_path):
    text = GOOD.replace('customer_id = "Customer"', "customer_id = {{ first_of = {} }}")
    mapping = (
        load_shop(write(tmp_path, text.format('["Customer", "Email?"]'))).sources["purchases"].columns["customer_id"]
    )
    assert (mapping.column, mapping.others) == ("Customer", ("Email?",))
    for faulty in ("[]", '"Customer"', '["a", "a"]'):
        assert any(
            "customer_id.first_of: expected a list" in found for found in faults_of(tmp_path, text.format(faulty))
        )


def test_an_amount_may_come_from_several_columns(tmp_path):
    text = GOOD.replace('"Price"', '{ first_of = ["Credit", "Debit"], numbers = "1.234,56" }')
    source = load_shop(write(tmp_path, text)).sources["purchases"]
    mapping = next(one for one in source.columns.values() if one.column == "Credit")
    assert mapping.others == ("Debit",)
    assert source.numbers_of_raw("Debit") == "1.234,56"
