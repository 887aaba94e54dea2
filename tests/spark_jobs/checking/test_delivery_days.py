"""Are events far from the days of their files reported, with the setting to change?"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from spark_jobs.checking.delivery_days import find_swapped_lag, measure_days_ahead


@pytest.mark.parametrize(
    ("files", "lag"),
    [
        ({"2024-05-03": ["2024-03-05"] * 3, "2024-05-07": ["2024-05-07"], "2024-06-02": ["2024-02-06"]}, 59),
        ({"2024-05-03": ["2024-03-05"] * 9, "2024-05-04": ["2024-05-04"], "2024-05-05": ["2024-05-05"]}, None),
        (
            {
                "2024-05-03": ["2024-01-05", "2024-02-09", "2024-03-11"],
                "2024-05-04": ["2024-01-05", "2024-02-09", "2024-03-11"],
            },
            None,
        ),
        ({"2024-05-30": ["2024-05-29"]}, None),
    ],
    ids=["swapped", "history in the first file", "the whole history in each file", "no day that may be a month"],
)
def test_swapped_day_and_month_are_reported_only_if_they_explain_the_age_of_events(spark, files, lag):
    rows = [(day, day, event) for day, events in files.items() for event in events]
    events = spark.createDataFrame(rows, "delivery_id string, delivery_day string, event_day string")
    days = {name: events[name].cast("date") for name in ("delivery_day", "event_day")}
    assert find_swapped_lag(events.withColumns(days)) == lag


def test_days_ahead_are_measured_for_files_named_after_their_first_day(spark):
    monday = date(2026, 6, 1)
    rows = [(monday, monday + timedelta(n), ["event_after_delivery"] if n > 1 else []) for n in range(7)]
    judged = spark.createDataFrame(rows, "delivery_day date, event_day date, reasons array<string>")
    assert tuple(measure_days_ahead(judged)) == (6, 5)
    assert tuple(measure_days_ahead(judged.where("size(reasons) = 0"))) == (0, 0)
