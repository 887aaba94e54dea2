"""Which days does a run process?"""

from datetime import UTC, date, datetime

import pytest

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.run_days import resolve_days

EARLY_MORNING = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)


def test_the_default_day_is_the_day_before_the_run_in_the_shops_zone():
    assert resolve_days("Europe/London", EARLY_MORNING) == [date(2026, 11, 20)]
    assert resolve_days("America/New_York", EARLY_MORNING) == [date(2026, 11, 19)]  # still the 20th there


def test_the_parameter_precedes_the_partition_and_the_partition_the_clock():
    assert resolve_days("UTC", EARLY_MORNING, as_of="2026-01-05") == [date(2026, 1, 5)]
    assert resolve_days("UTC", EARLY_MORNING, partition_key="2026-01-06") == [date(2026, 1, 6)]
    assert resolve_days("UTC", EARLY_MORNING, "2026-01-06", partition_key="2026-01-06") == [date(2026, 1, 6)]


def test_a_range_is_every_day_of_it():
    days = resolve_days("UTC", EARLY_MORNING, first="2026-02-27", last="2026-03-01")
    assert days == [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"as_of": "2026-01-05", "partition_key": "2026-01-06"}, "2026-01-05 disagrees"),
        ({"first": "2026-01-05", "last": "2026-01-06", "partition_key": "2026-01-06"}, "2026-01-05 disagrees"),
        ({"as_of": "2026-01-05", "last": "2026-01-06"}, "give one of them"),
        ({"first": "2026-01-05"}, "both ends"),
        ({"first": "2026-01-05", "last": "2026-01-04"}, "goes forward"),
        ({"first": "2026-01-05", "last": "2026-12-31"}, "airflow backfill create"),
        ({"as_of": "06/09/2011"}, "2011-09-06"),
    ],
)
def test_contradictions_and_invalid_days_are_refused_with_a_remedy(given, message):
    with pytest.raises(ChurnError, match=message):
        resolve_days("UTC", EARLY_MORNING, **given)
