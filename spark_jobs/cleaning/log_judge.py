"""What a log types and judges of its own: the JUDGE of its file in `logs/`, which a log of plain columns does not need.

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
    """type_events    adds columns of the log to raw.record_schema and what all events share; null: not understood;
                   those that it leaves out are plain, see plain_columns.py
    find_faults    the reason codes of this log, and when each holds of typed events
    finish_events  gives the columns of the log's table; of events with is_good, the others' values do not matter
    """

    type_events: Callable[[DataFrame, Shop], DataFrame] = _add_nothing
    find_faults: Callable[[Shop], dict[str, Column]] = _find_nothing
    finish_events: Callable[[DataFrame], DataFrame] = _keep


def judge_of(log: str) -> LogJudge:
    """The judge of a log of `contract/logs/`: that of the file of the same name here, else one that adds nothing."""
    has_own = log in {module.name for module in iter_modules(logs.__path__)}
    return import_module(f"{logs.__name__}.{log}").JUDGE if has_own else LogJudge()
