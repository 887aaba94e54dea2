"""What expressions have to heed of the engine that they are built for."""

from __future__ import annotations

import re
from collections.abc import Callable

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from spark_jobs.lake.frames import is_sail


def runs_on_sail() -> bool:
    """Whether they are for Sail. Expressions that suit both engines are larger, and Spark plans them for minutes."""
    spark = SparkSession.getActiveSession()
    return spark is not None and is_sail(spark)


def bind(value: Column, use: Callable[[Column], Column]) -> Column:
    """use(value), where value is planned and computed once, however often it is used. For large values only: Spark
    compiles none of it."""
    return F.transform(F.array(value), use)[0]


def list_distinct(formula: str) -> str:
    """A measure's formula. If it is a set, for Sail a list that is made distinct, which costs it a tenth. On Spark it
    would hold every event of a customer-day, where the set holds few values."""
    if not (formula.startswith("collect_set(") and runs_on_sail()):
        return formula
    return f"array_distinct({formula.replace('collect_set(', 'collect_list(', 1)})"


def matches(text: Column, pattern: str) -> Column:
    r"""Whether a shop's regular expression is found in the text. Sail's are Rust's: they have no look-around, and \d,
    \s and \w match other alphabets too. Python's agree with Java's but for rare ends of lines."""
    if not runs_on_sail():
        return text.rlike(pattern)
    try:
        search = re.compile(pattern, re.ASCII).search
    except ValueError:  # the pattern says (?u) itself
        search = re.compile(pattern).search
    return F.udf(lambda value: None if value is None else search(value) is not None, "boolean", useArrow=True)(text)
