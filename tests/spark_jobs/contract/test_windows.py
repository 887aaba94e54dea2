"""Windows: as_of is inclusive, activity windows are half-open towards the past, labels close after their window."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract.windows import (
    ChurnDefinition,
    activity_window,
    history_needed_days,
    is_closed,
    label_window,
)

AS_OF = date(2011, 6, 8)


def test_the_activity_window_ends_on_as_of_and_has_exactly_its_length():
    window = activity_window(AS_OF, 30)
    assert (window.first, window.last, window.days) == (date(2011, 5, 10), AS_OF, 30)


def test_the_label_window_starts_on_the_day_after():
    window = label_window(AS_OF, 90)
    assert (window.first, window.last, window.days) == (date(2011, 6, 9), date(2011, 9, 6), 90)


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(1, 400), st.integers(0, 800), st.integers(0, 30))
def test_a_label_is_closed_exactly_when_its_window_lies_in_the_delivered_days(as_of, horizon_days, days_ago, delay):
    step_day, delivered = as_of - timedelta(days=days_ago), as_of - timedelta(days=delay)
    assert is_closed(step_day, horizon_days, as_of, delay) == (label_window(step_day, horizon_days).last <= delivered)


def test_late_files_lengthen_both_windows_that_a_training_needs():
    churn = ChurnDefinition((30, 60, 90))
    assert history_needed_days(churn) == 7 + 90 + 90
    assert history_needed_days(churn, delay_days=6) == 7 + 96 + 96
