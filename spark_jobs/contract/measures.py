"""The facts about customers' days, from all logs; each is declared in its log's file of `logs/`.

A measure is a column of customer_day and an array of customer_series. Its `sql` sums clean events of one
customer, event day and delivery day, so measures add up over deliveries and days. What does not add up is a daily set
in customer_day, and customer_series counts from it once all deliveries of the day are united.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from spark_jobs.contract.log import Measure
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.logs.purchases import CATEGORY_SET, NEW_CATEGORY_COUNT

__all__ = ["CATEGORY_SET", "MEASURES", "NEW_CATEGORY_COUNT", "SERIES_MEASURES", "SETS", "SET_COUNTS", "Measure"]

MEASURES: tuple[Measure, ...] = tuple(measure for log in LOGS.values() for measure in log.measures)

#: What qualifies as activity, by the name a shop chooses: the measure that must be above zero, and its log.
ACTIVITY_MEASURES = {log.activity.name: log.activity.measure for log in LOGS.values() if log.activity}
ACTIVITY_LOGS = {log.activity.name: log.name for log in LOGS.values() if log.activity}

#: Not sums but sets per day: deliveries of a day add up by union. Products are kept as hashes, they are only compared.
SETS: tuple[Measure, ...] = tuple(measure for log in LOGS.values() for measure in log.sets)

#: Two events of a customer further apart than this belong to two sessions, where the shop names no sessions: the
#: usual definition, e.g. of web analytics.
SESSION_GAP_MINUTES = 30

_COUNTS = tuple(measure for log in LOGS.values() for measure in log.set_counts)
#: Their `sql` looks at the united sets of one day.
SET_COUNTS: tuple[Measure, ...] = tuple(measure for measure in _COUNTS if measure.sql)

SERIES_MEASURES: tuple[Measure, ...] = (*MEASURES, *_COUNTS)


def available_measures(mapped: Mapping[str, Collection[str]]) -> tuple[Measure, ...]:
    """The series measures of a shop that maps these canonical columns, by log."""
    columns = {f"{log}.{column}" for log, names in mapped.items() for column in names}
    return tuple(m for m in SERIES_MEASURES if m.log in mapped and set(m.needs) <= columns)
