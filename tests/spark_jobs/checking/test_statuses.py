"""The table of order statuses is proposed from the words in the files, and can be pasted."""

import pytest

from spark_jobs.checking.statuses import are_statuses, sort_words, write_table
from spark_jobs.contract.shop.file import load_shop
from tests.spark_jobs.contract.shop.test_file import GOOD, write


@pytest.mark.parametrize(
    ("words", "are_some"),
    [({"completed", "open", "cancelled"}, True), ({"wc-completed", "wc-cancelled"}, True),
     ({"paid", "completed"}, False),
     ({"Berlin", "Void", "Paris", "Rome"}, False), ({"cancelled"}, False), (set(), False)],
)  # fmt: skip
def test_a_column_of_any_name_is_a_status_by_its_words(words, are_some):
    assert are_statuses(words) == are_some


def test_status_words_of_common_shop_systems_are_sorted_into_a_valid_table(tmp_path):
    words = [
        "wc-cancelled", "En attente du paiement", "Teilweise rückerstattet", "Zamówienie anulowane", "paid",
        "Pending payment", "VOIDED", "refunded", "partially_refunded", "storniert", 'odd "word"',
        "İptal",
    ]  # fmt: skip
    found = sort_words(words)
    assert found == {
        "counted": ["Teilweise rückerstattet", "paid", "partially_refunded", 'odd "word"'],
        "pending": ["En attente du paiement", "Pending payment"],
        "cancelled": ["wc-cancelled", "Zamówienie anulowane", "VOIDED", "storniert", "İptal"],
        "returned": ["refunded"],
    }
    shop = load_shop(write(tmp_path, GOOD + write_table('Financial "Status"', found)))
    status = shop.sources["purchases"].status
    assert status.column == 'Financial "Status"'
    assert status.words["voided"] == "cancelled"
    assert status.words['odd "word"'] == "counted"
