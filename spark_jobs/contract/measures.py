"""The measures of all logs: facts about a customer's day. Each is declared in its log's file of `logs/`.

A measure is a column of customer_day and an array of customer_series. Its `sql` aggregates the clean events of one
customer, event day and delivery day, so measures add up over deliveries and days. A distinct count does not add up:
customer_day stores the day's set, and customer_series counts the union of the day's sets over all deliveries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from spark_jobs.contract.log import Measure
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.logs.purchases import CATEGORY_SET, NEW_CATEGORY_COUNT

__all__ = ["CATEGORY_SET", "MEASURES", "NEW_CATEGORY_COUNT", "SERIES_MEASURES", "SETS", "SET_COUNTS", "Measure"]

MEASURES: tuple[Measure, ...] = tuple(measure for log in LOGS.values() for measure in log.measures)

#: By the name of the activity that a shop may choose: the measure that must be above zero, and its log.
ACTIVITY_MEASURES = {log.activity.name: log.activity.measure for log in LOGS.values() if log.activity}
ACTIVITY_LOGS = {log.activity.name: log.name for log in LOGS.values() if log.activity}

#: Sets per day, united over the deliveries of the day. Products are stored as hashes because they are only compared.
SETS: tuple[Measure, ...] = tuple(measure for log in LOGS.values() for measure in log.sets)

#: If the shop has no session ids, two events of a customer further apart than this belong to two sessions, as is usual
#: in web analytics.
SESSION_GAP_MINUTES = 30

_COUNTS = tuple(measure for log in LOGS.values() for measure in log.set_counts)
#: Those that depend on one day's united sets alone.
SET_COUNTS: tuple[Measure, ...] = tuple(measure for measure in _COUNTS if measure.counts)

SERIES_MEASURES: tuple[Measure, ...] = (*MEASURES, *_COUNTS)


def available_measures(mapped: Mapping[str, Collection[str]]) -> tuple[Measure, ...]:
    """The series measures of a shop that maps these canonical columns, by log."""
    columns = {f"{log}.{column}" for log, names in mapped.items() for column in names}
    return tuple(m for m in SERIES_MEASURES if m.log in mapped and set(m.needs) <= columns)
