"""Which spellings of an id are one customer, and which ids are no customer?"""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract.customer_ids import NO_CUSTOMER, SPELLINGS, CustomerIds, canonical_id

ONE_CUSTOMER = {
    "as given": {
        "10011": ["10011", "10011.0", "10011.000", " 10011\t", "\ufeff10011", "\u200b10011\u00a0", "1.0011E4",
                  "1.0011e+4"],
        "7410995000000": ["7.410995e+12", "7410995000000.0", "7.410995E12"],
        "10000000000000000": ["1e+16", "1.0e16"],
        "Ren\u00e9 A": ["Rene\u0301 A", "Ren\u00e9\u00a0 A\u3000"],
        "-7": ["-7.0"],
        "0": ["0.0", "0.0e5", "0e+3"],
    },
    "case-insensitive": {
        "anna@example.org": [" Anna@Example.ORG ", "ANNA@example.org\u200b"],
        "strasse \u00e9": ["Stra\u00dfe \u00c9", "STRASSE E\u0301"],
        "007": ["007.0"],
    },
    "numeric": {"12": ["0012", "12.0", "0012.0", "1.2E1"], "0": ["000", "0.0"], "A012": ["A012"], "-5": ["-05"]},
}  # fmt: skip
CASES = [
    (*case, text)
    for case in ((s, one) for s, ids in ONE_CUSTOMER.items() for one in ids)
    for text in ONE_CUSTOMER[case[0]][case[1]]
]
#: Neither whole floats nor exponents of whole numbers, so they are unchanged.
AS_THEY_ARE = [
    "1e5",
    "2E10",
    "12.50",
    "1.5e0",
    "0012",
    "1.2.0",
    "10.0.1",
    "1,0",
    "12.",
    ".0",
    "0x1F",
    "1.0e41",
    "1.0e999",
]


@pytest.mark.parametrize(("spelling", "customer", "text"), CASES)
def test_spellings_of_one_customer(spelling, customer, text):
    assert canonical_id(text, spelling) == customer


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_texts_that_are_not_whole_floats_are_unchanged(text):
    assert canonical_id(text) == text


any_id = st.text(max_size=12) | st.from_regex(r"\A-?[0-9]{1,9}\.[0-9]{1,3}([eE][+-]?[0-9]{1,2})?\Z")


@given(any_id, st.sampled_from(SPELLINGS))
def test_the_canonical_spelling_is_idempotent(text, spelling):
    once = canonical_id(text, spelling)
    assert canonical_id(once, spelling) == once
    assert canonical_id(unicodedata.normalize("NFD", f" {text}\u200b"), spelling) == once


@given(st.integers(-(10**15), 10**15), st.sampled_from(SPELLINGS))
def test_an_integer_is_the_same_customer_as_a_float(number, spelling):
    assert {canonical_id(text, spelling) for text in (f"{number}.0", f"{number:.20e}")} == {str(number)}


def test_null_words_and_the_words_of_no_customer_are_no_customer():
    as_given, set_up = CustomerIds(), CustomerIds("numeric", ("Guest", "0", "-1"))
    assert [as_given.read(word) for word in (*NO_CUSTOMER, "NULL", " NaN ", "N/A", "None", "", "\u200b")] == [None] * 21
    assert [as_given.read(word) for word in ("guest", "0", "-", "Nullmeyer")] == ["guest", "0", "-", "Nullmeyer"]
    assert [set_up.read(word) for word in ("GUEST", "000", "0.0", "-1.0", "null")] == [None] * 5
    assert set_up.read("guest2") == "guest2"
