"""What a log types and judges of its own; `logs/` has a file for each, which gives it as JUDGE. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from pyspark.sql import Column, DataFrame

from spark_jobs.contract.shop.model import Shop


def _keep(events: DataFrame) -> DataFrame:
    return events


@dataclass(frozen=True)
class LogJudge:
    """type_events    adds the log's own columns to raw.record_schema and what all events share; null: not understood
    find_faults    the reason codes of this log, and when each holds of typed events
    finish_events  gives the columns of the log's table; of events with is_good, the others' values do not matter
    """

    type_events: Callable[[DataFrame, Shop], DataFrame]
    find_faults: Callable[[Shop], dict[str, Column]]
    finish_events: Callable[[DataFrame], DataFrame] = _keep


def judge_of(log: str) -> LogJudge:
    """The judge of a log of `contract/logs/`: its file here has the same name."""
    return import_module(f"spark_jobs.cleaning.logs.{log}").JUDGE
