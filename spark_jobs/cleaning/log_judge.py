"""The interface of a log's own typing and validation: the JUDGE in its file of `logs/`. A log with plain columns only
needs none.

Pure, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from pyspark.sql import Column, DataFrame

from spark_jobs.cleaning import logs
from spark_jobs.contract.shop.model import Shop


def _add_nothing(dated: DataFrame, _: Shop) -> DataFrame:
    return dated


def _find_nothing(_: Shop) -> dict[str, Column]:
    return {}


def _keep(events: DataFrame) -> DataFrame:
    return events


@dataclass(frozen=True)
class LogJudge:
    """type_events    adds the log's own columns to raw.record_schema and the shared columns; null: invalid.
                   Columns that it does not add are plain, see plain_columns.py
    find_faults    the log's own reason codes, and their conditions on typed events
    finish_events  completes the columns of the log's table for events with is_good; other rows' values do not matter
    """

    type_events: Callable[[DataFrame, Shop], DataFrame] = _add_nothing
    find_faults: Callable[[Shop], dict[str, Column]] = _find_nothing
    finish_events: Callable[[DataFrame], DataFrame] = _keep


def judge_of(log: str) -> LogJudge:
    """The judge in the log's file of `cleaning/logs/`, else one that adds nothing."""
    has_own = log in {module.name for module in iter_modules(logs.__path__)}
    return import_module(f"{logs.__name__}.{log}").JUDGE if has_own else LogJudge()
