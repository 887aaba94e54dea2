"""Patterns that shop.toml takes are patterns that Spark can parse with; times come back as they were written."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import functions as F

from spark_jobs.checking.times import deduce_formats, suggest_time_format
from spark_jobs.cleaning.times import parse_instant
from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.time_patterns import LETTERS, find_pattern_fault

AT = datetime(2026, 6, 1, 15, 2, 58, 123456, tzinfo=UTC)


def draw_pattern(generator: random.Random) -> str:
    """A year, a month and a day in any order, and up to four other parts of a time, some of them no letters at all."""
    letters = [*"yMd", *generator.sample([*LETTERS, *"aEwQYDnpAbT#{'[]"], generator.randint(0, 4))]
    generator.shuffle(letters)
    return generator.choice([" ", "/", "-", ":", ""]).join(
        letter * generator.choice([*LETTERS.get(letter, (1,)), 2, 5]) for letter in letters
    )


def test_spark_parses_with_every_pattern_that_is_taken(spark):
    generator = random.Random(11)
    drawn = [draw_pattern(generator) for _ in range(4000)]
    taken = sorted({pattern for pattern in drawn if find_pattern_fault(pattern) is None})
    assert 50 < len(taken) < 3000  # neither nothing nor all
    texts = spark.createDataFrame([("2026-06-01 15:02:58",)], "text string")
    for start in range(0, len(taken), 100):
        mappings = (ColumnMapping("text", format=pattern) for pattern in taken[start : start + 100])
        tried = [parse_instant(F.col("text"), mapping, "UTC") for mapping in mappings]
        texts.agg(*(F.count(one) for one in tried)).collect()  # Spark raises where it cannot parse with one


def test_epochs_are_read_in_every_unit_to_the_microsecond(spark):
    seconds = int(AT.timestamp())
    written = {"epoch_s": f"{seconds}.123456", "epoch_ms": f"{seconds}123.456", "epoch_us": f"{seconds}123456",
               "epoch_ns": f"{seconds}123456789"}  # fmt: skip
    row = spark.createDataFrame([tuple(written.values())], list(written))
    read = row.select(*(F.unix_micros(parse_instant(F.col(unit), ColumnMapping(unit, format=unit), "UTC")).alias(unit)
                        for unit in written)).first()  # fmt: skip
    assert set(read) == {seconds * 1_000_000 + 123_456}
    wrong = row.select(parse_instant(F.col("epoch_us"), ColumnMapping("x", format="epoch_ms"), "UTC")).first()
    assert wrong[0] is None  # another unit is no time of 1990 to 2099


#: How shops write a time, as strftime says it, and the format that reads it.
SPELLINGS = {
    "%d/%m/%Y": "dd/MM/yyyy",
    "%m/%d/%Y %H:%M": "MM/dd/yyyy HH:mm",
    "%-m/%-d/%Y %-I:%M %p": "M/d/yyyy h:mm a",
    "%d.%m.%Y": "dd.MM.yyyy",
    "%d.%m.%y %H:%M:%S": "dd.MM.yy HH:mm:ss",
    "%d-%b-%y": "dd-MMM-yy",
    "%b %-d, %Y %-I:%M:%S %p UTC": "MMM d, yyyy h:mm:ss a z",
    "%d-%m-%Y": "dd-MM-yyyy",
    "%Y/%m/%d %H:%M:%S": "yyyy/MM/dd HH:mm:ss",
    "%Y-%m-%dT%H:%M:%S.%f+0200": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSxx",
    "%Y%m%d": "yyyyMMdd",
    "%Y%m%d %H:%M": "yyyyMMdd HH:mm",
    "%s": "epoch_s",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_format_of_times_is_deduced_and_tried_on_them(spark, spelling):
    texts = [(AT + timedelta(hours=31 * n)).strftime(spelling) for n in range(120)]
    sentence = suggest_time_format(spark, ColumnMapping("at"), "Europe/Berlin", texts)
    assert sentence == f'event_at = {{ column = "at", format = "{SPELLINGS[spelling]}" }} would read them'


def test_two_spellings_within_a_column_and_an_open_order_of_day_and_month_are_told(spark):
    texts = [f"2026-06-{n:02} 10:00:00" for n in range(1, 20)] + [f"{n}/06/2026" for n in range(13, 28)]
    sentence = suggest_time_format(spark, ColumnMapping("at"), "UTC", texts)
    assert sentence.startswith("column 'at' holds several spellings (yyyy-MM-dd HH:mm:ss reads 56%, dd/MM/yyyy reads")
    either = suggest_time_format(spark, ColumnMapping("at", zone="UTC"), "UTC", ["01/02/2026", "03/04/2026"])
    assert 'format = "dd/MM/yyyy", zone = "UTC" } or' in either
    assert either.endswith("both do, so look which is meant")
    assert suggest_time_format(spark, ColumnMapping("at"), "UTC", ["soon", "later"]) == ""


def test_no_text_makes_the_deduction_fail():
    generator = random.Random(3)
    texts = ["".join(generator.choices("0123456789/-.:, TJanZ+PM", k=generator.randint(0, 24))) for _ in range(5000)]
    assert all(find_pattern_fault(one) is None for one in deduce_formats(texts))
