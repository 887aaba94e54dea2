"""What a check says of numbers that may mean others than they are taken for."""

import pytest

from spark_jobs.contract.shop import ColumnMapping, Source
from spark_jobs.value_checks import find_number_doubts, propose_numbers


@pytest.mark.parametrize(
    ("texts", "spelling"),
    [
        (["6,90 €", "1.234,56 €"], "1.234,56"),
        (["12,50", "3,5", "1,234"], "1.234,56"),
        (["1,234.56", "12.50"], "1,234.56"),
        (["$12.50", "$3"], "1,234.56"),
        (["1\u202f234,56", "5"], "1 234,56"),
        (["1.234.567"], "1.234,56"),
        (["12.50", "-3", "1e3", ".5", "12.", "x", "", "-"], None),
    ],
)
def test_a_spelling_is_proposed(texts, spelling):
    assert propose_numbers(texts) == spelling


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["690", "4.995", "12.500"] * 20, 'numbers = "1.234,56"; if before decimals'),
        (["0.690", "4.995"] * 20, None),  # no thousands begin with 0
        (["1.000", "2.000"] * 20, None),
        (["12.50", "4.995"] * 20, None),
        (["12,50", "4.99"] * 20, 'numbers = "1.234,56"'),
        (["12.50"] * 200 + ["12,50"], None),  # that one is rejected
        (["4995", "1380"] * 50, 'unit_price = { column = "Preis", scale = "0.01" }'),
        (["49", "13"] * 50, None),
        ([], None),
    ],
)
def test_doubts_are_told(texts, said):
    source = Source("purchases", "", "*", "csv", {"unit_price": ColumnMapping("Preis")})
    sentence = find_number_doubts(source, "unit_price", texts, "EUR")
    assert (said in sentence) if said else sentence is None


def test_whole_prices_are_usual_in_yen_and_where_a_scale_is_said():
    whole = ["4995", "1380"] * 50
    for currency, mapping in (("JPY", ColumnMapping("p")), ("EUR", ColumnMapping("p", scale=1))):
        source = Source("purchases", "", "*", "csv", {"amount": mapping})
        assert find_number_doubts(source, "amount", whole, currency) is None
