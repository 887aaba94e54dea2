"""Spark can parse with every pattern that shop.toml accepts, and times survive a round trip."""

import random
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import functions as F

from spark_jobs.cleaning.times import parse_instant
from spark_jobs.cleaning.words import translate_pattern
from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.time_patterns import LETTERS, find_format, find_pattern_fault

AT = datetime(2026, 6, 1, 15, 2, 58, 123456, tzinfo=UTC)


def draw_pattern(generator: random.Random) -> str:
    """A year, a month and a day in any order, with up to four other parts, some without letters."""
    letters = [*"yMd", *generator.sample([*LETTERS, *"aEwQYDnpAbT#{'[]"], generator.randint(0, 4))]
    generator.shuffle(letters)
    return generator.choice(
        [" ", "/", "-", ":", "", "年", " à ", "'de'", "''", "'o''clock'", "\u202f", ". ", "&"]
    ).join(letter * generator.choice([*LETTERS.get(letter, (1,)), 2, 5]) for letter in letters)


def test_spark_accepts_every_accepted_pattern(spark):
    generator = random.Random(11)
    drawn = [draw_pattern(generator) for _ in range(4000)]
    taken = sorted({pattern for pattern in drawn if find_pattern_fault(pattern) is None})
    assert 50 < len(taken) < 3000  # neither nothing nor all
    texts = spark.createDataFrame([("2026-06-01 15:02:58",)], "text string")
    for start in range(0, len(taken), 100):
        spelt = map(translate_pattern, taken[start : start + 100])
        tried = [F.try_to_timestamp("text", F.lit(pattern)) for pattern in spelt]
        texts.agg(*(F.count(one) for one in tried)).collect()  # Spark raises where it cannot parse with one


@given(st.text(st.characters(codec="utf-8"), max_size=24) | st.text("yMdHhmsaEzXZ'[]{}# :/-年", max_size=24))
def test_no_pattern_raises_more_than_one_line(text):
    fault = find_pattern_fault(find_format(text))
    assert fault is None or "\n" not in fault
    if fault is None:
        translate_pattern(find_format(text))


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
