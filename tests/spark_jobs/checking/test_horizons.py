"""Does the check propose suitable horizons, and print nothing if the configured ones are suitable?"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from spark_jobs.checking.history import measure_rhythm
from spark_jobs.checking.horizons import Rhythm, judge_horizons, suggest_horizons


def judge(rates: dict[int, float], once: float, gap: float | None, count: int = 5000) -> list[str]:
    return judge_horizons({days: (rate, count) for days, rate in rates.items()}, Rhythm(once, gap), "purchase")


@pytest.mark.parametrize("rates", [{30: 0.63, 60: 0.48, 90: 0.44}, {30: 0.09, 60: 0.055, 90: 0.039}])
def test_suitable_horizons_get_no_note(rates):
    assert judge(rates, 0.3, 40) == []


def test_a_shop_without_returning_customers_learns_that_no_horizon_helps():
    *notes, advice = judge({30: 0.997, 60: 0.996, 90: 0.995}, 0.97, 80)
    assert [note[:24] for note in notes] == [
        "30 days: 99.7% churn, so",
        "60 days: 99.6% churn, so",
        "90 days: 99.5% churn, so",
    ]
    assert all("too short for this shop" in note for note in notes)
    assert advice.startswith("97.0% of the customers have a purchase on one day only: no horizon distinguishes")


def test_a_shop_with_rare_or_daily_purchases_gets_suitable_horizons():
    *_, advice = judge({30: 0.98, 60: 0.96, 90: 0.93}, 0.4, 204)
    assert advice.endswith("every 204 days: try horizons_days = [200, 365]")
    *notes, advice = judge({30: 0.01, 60: 0.004, 90: 0.001}, 0.02, 4.2)
    assert "too long for this shop" in notes[0]
    assert advice.endswith("try horizons_days = [4, 8, 13]")


def test_few_customers_give_no_note():
    assert judge({30: 1.0}, 1.0, None, count=99) == []


@pytest.mark.parametrize(
    ("gap", "horizons"), [(None, []), (0.5, [1, 2]), (30, [30, 60, 90]), (120, [120, 240, 360]), (900, [365])]
)
def test_suggestions_are_round_ascending_and_no_longer_than_a_year(gap, horizons):
    assert suggest_horizons(gap) == horizons


def test_the_rhythm_is_the_median_of_the_mean_gaps_of_those_who_come_back(spark):
    """One customer with gaps of 10 and 20 days, one with 100, one with 4; two customers with one purchase."""
    days = {"a": (0, 10, 30), "b": (5, 105), "c": (1, 5), "d": (7,), "e": (9,)}
    rows = [(name, date(2024, 1, 1) + timedelta(days=n)) for name, own in days.items() for n in own]
    assert measure_rhythm(spark.createDataFrame(rows, "customer_id string, event_day date")) == Rhythm(0.4, 15.0)
