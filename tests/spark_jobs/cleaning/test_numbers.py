"""Number formats of shops: what clean reads, and that check reads the same."""

import random
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from spark_jobs.cleaning.numbers import is_percent, read_number, spell_plainly
from spark_jobs.contract.shop.source import NUMBERS

#: By format: a text and its number; None: not a number in this format.
READ = {
    "1,234.56": {
        "1,234.56": "1234.56", "1234.56": "1234.56", "12": "12", ".50": "0.50", "$.50": "0.50", "12.": "12",
        "$1,234.56": "1234.56", "-$5.00": "-5.00", "$-5.00": "-5.00", "($5.00)": "-5.00", "$(5.00)": "-5.00",
        "(12.50)": "-12.50", "12.50-": "-12.50", "12.50 - €": "-12.50", "+5": "5", "−5.00": "-5.00", "– 5": "-5",
        "US$ 12.50": "12.50", "USD 12.50": "12.50", "USD -12.50": "-12.50", "-USD 12.50": "-12.50",
        "12.50 CAD": "12.50",
        "Rs. 1,234.50": "1234.50", "S/. 12.50": "12.50", "R$12.50": "12.50", "CHF 12.–": "12", "12.-- Fr.": "12",
        "1 234.56": "1234.56", "1'234.56": "1234.56", "1\u00a0234.56": "1234.56", "\u200e$5.00\u200f": "5.00",
        "2 pcs": "2", "3x": "3", "-12.50-": None, "(12.50": None, "-(12.50)": None, "1,234,56": None, "12,34.5": None,
        "1,23": None, "1.234,56": None, "12 34": None, "1 2": None, "1.5E3": None, "5 x 3": None, "": None, "-": None,
        "$": None, "free": None, "12.50 %": None, "1,234 567": None, "12..5": None, "1-2": None, "x" * 60: None,
        "1" * 49: None, "€ 12.50": "12.50", "1,234.–": "1234",
    },
    "1.234,56": {
        "1.234,56 €": "1234.56", "6,90": "6.90", "1.234": "1234", "€ -12,50": "-12.50", "12,- €": "12",
        "12,50-": "-12.50", "1.234.567": "1234567", "12,50 kr.": "12.50", "kr. 12,50": "12.50",
        "1234,5 zł": "1234.5", "12.50": None,
        "1,234.56": None, "1 234,56": "1234.56", "1'234,56": "1234.56", ",5": "0.5",
    },
    "1 234,56": {
        "1 234,56": "1234.56", "1\u202f234\u202f567,5": "1234567.5", "1\u00a0234,56 €": "1234.56", "1234": "1234",
        "1.234,56": None, "12,5": "12.5", "1 23,5": None,
    },
    "1 234.56": {"1 234.56": "1234.56", "12,50": None},
    "1'234.56": {"1'234.56": "1234.56", "CHF 1’234’567.50": "1234567.50", "12.–": "12", "1,234.56": None},
    "1'234,56": {"1'234,56": "1234.56", "12.50": None},
    "12,34,567.89": {
        "12,34,567.89": "1234567.89", "₹1,23,456": "123456", "1,234.50": "1234.50", "123,456": None, "5": "5",
        "1,00,00,000": "10000000",
    },
    "1234.56": {"1234.56": "1234.56", "$5": "5", "1,234.56": None, "1 234.56": None, "1.234": "1.234"},
}  # fmt: skip
PERCENT = {"12,5 %": "0.125", "%12,5": "0.125", "92\u202f%": "0.92", "-5%": "-0.05", "12,5": "12.5"}


def draw_texts(count: int) -> list[str]:
    """Texts of characters that occur in numbers; some are numbers."""
    generator = random.Random(7)
    pieces = [*"0123456789", "12", "345", "678", *".,'- ()+€$%", "–", "’", "\u00a0", "\u200e", "kr.", "Rs.", "EUR", "E"]
    return ["".join(generator.choices(pieces, k=generator.randint(1, 7))) for _ in range(count)]


def read_with_spark(spark, texts: list[str], takes_percent: bool) -> dict[str, list]:
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    numbers = {name: spell_plainly(F.col("text"), name, takes_percent).try_cast("decimal(38,8)") for name in NUMBERS}
    shares = {name: F.when(is_percent(F.col("text")), one / 100).otherwise(one) for name, one in numbers.items()}
    columns = (shares if takes_percent else numbers).items()
    rows = frame.select(*(column.try_cast("decimal(38,10)").alias(f"`{name}`") for name, column in columns)).collect()
    return {name: [row[place] for row in rows] for place, name in enumerate(NUMBERS)}


def test_numbers_are_read_in_their_format(spark):
    texts = sorted({text for one in READ.values() for text in one})
    read = read_with_spark(spark, texts, False)
    found = {name: {text: read[name][texts.index(text)] for text in one} for name, one in READ.items()}
    right = {
        name: {text: Decimal(value) if value else None for text, value in one.items()} for name, one in READ.items()
    }
    assert found == right


def test_a_percentage_is_read_if_allowed(spark):
    read = read_with_spark(spark, list(PERCENT), True)["1.234,56"]
    assert read == [Decimal(value) for value in PERCENT.values()]


@pytest.mark.parametrize("takes_percent", [False, True])
def test_check_reads_what_clean_reads(spark, takes_percent):
    texts = draw_texts(4000)
    for name, numbers in read_with_spark(spark, texts, takes_percent).items():
        found = [read_number(text, name, takes_percent) for text in texts]
        assert numbers == found
        assert 0 < sum(number is not None for number in found) < len(texts)
