"""Do expressions mean the same on Spark and on Sail? CONTRIBUTING.md says how to run the tests on Sail."""

from __future__ import annotations

from pyspark.sql import functions as F

from spark_jobs.cleaning.dialect import matches

TEXTS = ("ab1", "AC", "x１", "a b", "ü", "", "a\n", None)
#: A shop's regular expression and the texts in which it is found.
FOUND = {
    "a(?=b)": ("ab1", ),
    "(?<!a)b|^$": ("a b", ""),
    r"\d": ("ab1",),
    r"^\w+$": ("ab1", "AC", "a\n"),
    r"a\sb": ("a b",),
    "(?i)^ac$": ("AC",),
    r"[^\x00-\x7f]": ("x１", "ü"),
}  # fmt: skip


def test_a_shops_regular_expression_finds_the_same_on_each_engine(spark):
    texts = spark.createDataFrame([(text,) for text in TEXTS], "text string")
    columns = [matches(F.col("text"), pattern).alias(f"found_{number}") for number, pattern in enumerate(FOUND)]
    rows = texts.select("text", *columns, F.when(matches(F.col("text"), "b"), "b").alias("nested")).collect()
    for number, (pattern, expected) in enumerate(FOUND.items()):
        assert {row["text"] for row in rows if row[f"found_{number}"]} == set(expected), pattern
    assert [row["found_0"] for row in rows if row["text"] is None] == [None]
    assert {row["text"] for row in rows if row["nested"]} == {"ab1", "a b"}
