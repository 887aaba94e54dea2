"""Plain columns of logs, which need no judge: unchanged texts, and numbers in the source's format. Pure, no I/O.

A plain column is declared in `contract/logs/` only: as an Input, and as a Column of the same name that the log's judge
does not add. An invalid number is rejected as NAME_invalid.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.cleaning.mapping import mapped_number, mapped_text
from spark_jobs.contract import table
from spark_jobs.contract.log import NUMBER, Log
from spark_jobs.contract.shop.source import Source


def list_plain_columns(log: Log, typed: Collection[str]) -> list[table.Column]:
    """The log's columns with an input of the same name, without those that its judge has typed."""
    return [column for column in log.columns if column.name in log.canonical and column.name not in typed]


def type_plainly(events: DataFrame, source: Source, columns: Iterable[table.Column]) -> DataFrame:
    """Adds these columns; null if the value is missing or invalid."""
    typed = {
        column.name: mapped_text(source, column.name)
        if column.type == "string"
        else mapped_number(source, column.name, column.type)
        for column in columns
    }
    return events.withColumns(typed) if typed else events  # Spark Connect refuses none


def find_plain_faults(log: Log, source: Source, columns: Iterable[table.Column]) -> dict[str, Column]:
    """The reason codes of these columns, and their conditions on typed events."""
    numbers = [column.name for column in columns if log.canonical[column.name].type == NUMBER]
    return {f"{name}_invalid": mapped_text(source, name).isNotNull() & F.col(name).isNull() for name in numbers}
