"""The findings about numbers that may be misread."""

import re
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spark_jobs.checking.values import find_number_doubts, find_remedy, propose_numbers
from spark_jobs.cleaning.numbers import DECIMAL_COMMA, EITHER_POINT
from spark_jobs.contract.shop.source import ColumnMapping, Source


@pytest.mark.parametrize(
    ("texts", "spelling"),
    [
        (["6,90 €", "1.234,56 €"], "1.234,56"),
        (["12,50", "3,5", "1,234"], "1.234,56"),
        (["1,234.56", "12.50"], "1,234.56"),
        (["$12.50", "$3"], "1,234.56"),
        (["1\u202f234,56", "5"], "1 234,56"),
        (["1 234.56"], "1 234.56"),
        (["1'234.56", "CHF 1’000.–"], "1'234.56"),
        (["1,23,456.50", "12"], "12,34,567.89"),
        (["1.234.567"], "1.234,56"),
        (["12.50-", "3"], "1,234.56"),
        (["−12.50", "3"], "1,234.56"),
        (["(12.50)"], "1,234.56"),
        (["12.50", "-3", "1e3", ".5", "12.", "x", "", "-"], None),
    ],
)
def test_a_spelling_is_proposed(texts, spelling):
    assert propose_numbers(texts) == spelling


@pytest.mark.parametrize(
    ("texts", "doubt"),
    [
        (["690", "4.995", "12.500"] * 20, 'numbers = "1.234,56"; if it precedes decimals'),
        (["0.690", "4.995"] * 20, None),  # no thousands begin with 0
        (["1.000", "2.000"] * 20, None),
        (["12.50", "4.995"] * 20, None),
        (["12,50", "4,99"] * 20, 'numbers = "1.234,56"'),
        (["12.50"] * 90 + ["4,99"] * 10, "written in several formats, like '4,99' and '12.50': deliver only one"),
        (["12.50"] * 200 + ["12,50"], None),  # that one is rejected
        (["4995", "1380"] * 50, 'unit_price = { column = "Preis", scale = "0.01" }'),
        (["49", "13"] * 50, None),
        ([], None),
    ],
)
def test_ambiguous_numbers_are_reported(texts, doubt):
    source = Source("purchases", "", "*", "csv", {"unit_price": ColumnMapping("Preis")})
    sentence = find_number_doubts(source, "unit_price", {"unit_price": texts}, "EUR")
    assert (doubt in sentence) if doubt else sentence is None


def test_whole_prices_are_usual_in_yen_or_with_a_scale():
    whole = ["4995", "1380"] * 50
    for currency, mapping in (("JPY", ColumnMapping("p")), ("EUR", ColumnMapping("p", scale=1))):
        source = Source("purchases", "", "*", "csv", {"amount": mapping})
        assert find_number_doubts(source, "amount", {"amount": whole}, currency) is None


def remedy(code, examples, texts, numbers=None, **columns):
    mapped = {name: ColumnMapping("Preis") for name in ("customer_id", "unit_price")} | columns
    return find_remedy(code, None, Source("purchases", "", "*", "csv", mapped, numbers=numbers), examples, texts)


def test_the_remedy_for_a_price_is_a_spelling_that_reads_nearly_all_prices():
    assert 'numbers = "1,234.56"' in remedy("price_invalid", ["3.50-"], {"unit_price": ["3.50"] * 90 + ["3.50-"] * 9})
    assert 'numbers = "1,234.56"' in remedy("price_invalid", ["3.50"], {"unit_price": ["3.50"] * 90}, "1.234,56")
    assert "deliver only one" in remedy("price_invalid", ["3.50"], {"unit_price": ["3.50", "3,50"] * 45}, "1.234,56")
    assert "map the right column" in remedy("price_invalid", ["cheap"], {"unit_price": ["cheap"] * 90})


def test_a_spelling_that_other_columns_do_not_have_is_proposed_for_one_column():
    texts = {"unit_price": ["12,50"] * 50, "quantity": ["1.5"] * 50}
    doubt = remedy("price_invalid", ["12,50"], texts, quantity=ColumnMapping("Menge"))
    assert doubt.endswith('under [sources.purchases.columns] unit_price = { column = "Preis", numbers = "1.234,56" }')
    german = remedy("quantity_invalid", ["1.5"], texts, "1.234,56", quantity=ColumnMapping("Menge"))
    assert german.endswith('quantity = { column = "Menge", numbers = "1,234.56" }')


def test_the_remedy_for_an_unknown_currency_names_codes():
    shop = SimpleNamespace(currency="SEK")
    doubt = find_remedy("currency_unknown", shop, Source("purchases", "", "*", "csv", {}), ["US$", "€", "usd"], {})
    assert doubt.endswith('worth in SEK:\n[rates]\nUSD = "…"\nEUR = "…"')
    doubt = find_remedy("currency_unknown", shop, Source("purchases", "", "*", "csv", {}), ["12.50"], {})
    assert "'12.50' is no currency" in doubt


def test_the_remedy_for_an_unknown_kind_keeps_the_known_words():
    doubt = remedy("kind_unknown", ["refund"], {}, kind=ColumnMapping("art"))
    assert 'kind = { column = "art", values = { "sale" = "sale", "return" = "return", "refund" = "…" } }' in doubt


def is_like(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.ASCII) is not None


@given(st.decimals(-(10**9), 10**9, places=2), st.sampled_from(["", " €", "EUR", "-"]))
@example(Decimal("1234.50"), " €")
@example(Decimal("0.12"), "")
def test_only_a_decimal_comma_proposes_a_format(number, mark):
    pointed = f"{number:,}"
    comma = pointed.translate(str.maketrans(",.", ".,"))
    for spelt in (comma, comma.replace(".", ""), comma.replace(".", " "), comma.replace(".", "’")):
        assert is_like(DECIMAL_COMMA, spelt + mark)
    for spelt in (str(number), pointed):
        assert not is_like(DECIMAL_COMMA, spelt + mark)


@given(st.integers(1000, 10**12), st.sampled_from(["", "-", "+"]))
@example(1234, "")
def test_points_between_thousands_are_recognized_or_ambiguous(number, sign):
    text = sign + f"{number:,}".replace(",", ".")
    assert is_like(EITHER_POINT, text)
    assert is_like(DECIMAL_COMMA, text) == (text.count(".") > 1)
    assert not is_like(DECIMAL_COMMA, sign + f"{number:,}")  # 1,234 may be either


@pytest.mark.parametrize("text", ["0.123", "1.23", "1.2345", "1234.567", "1.234e3", "012.345", "1.234,5", "", "x"])
def test_a_few_points_are_not_ambiguous(text):
    assert not is_like(EITHER_POINT, text)


@pytest.mark.parametrize("text", ["1,234", "12,", ",5", "1,2,3", "1,234,567.8", "[1,5]", '{"a": 1,5}', "", "12.50"])
def test_a_few_commas_propose_no_format(text):
    assert not is_like(DECIMAL_COMMA, text)
