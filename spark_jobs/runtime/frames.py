"""Helpers for Spark data frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_jobs.contract.errors import ChurnError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row


def first_row(frame: DataFrame) -> Row:
    """The only row of an aggregate over a whole frame. Raises ChurnError if there is none."""
    row = frame.first()
    if row is None:
        raise ChurnError(f"Spark returned no row of {', '.join(frame.columns)}: run again")
    return row
