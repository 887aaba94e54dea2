"""A simple, slow implementation of the rule of undone sales, for comparison in tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from spark_jobs.contract.windows import ChurnDefinition
from tests.training.series import day


def find_undone(facts: Mapping[int, Mapping[str, float]], churn: ChurnDefinition) -> dict[int, date]:
    """By day number with a sale, the day at whose end it was undone; date.max: never."""

    def cents(name: str, first: int, last: int) -> int:
        return sum(round(100 * facts[n].get(name, 0)) for n in facts if first <= n <= last)

    def first_day(sold: int) -> date:
        for last in range(sold, sold + churn.undone_within_days + 1):
            refunds = cents("refund", sold, last)
            if refunds > 0 and refunds >= cents("spend", sold, last):
                return day(last)
        return date.max

    return {n: first_day(n) for n, measures in facts.items() if measures.get("sale_count", 0) > 0}


def find_end(day_number: int) -> date:
    """The day of a number that counts from 1970-01-01."""
    return date(1970, 1, 1) + timedelta(days=day_number)
