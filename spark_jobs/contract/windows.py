"""Time windows: who is eligible, who has churned, and which outcomes are known.

`as_of` is a date in the shop's time zone and is inclusive: the state of the world at the end of that day.
Every window below is half-open towards the past, (start, end], and is given as its first and last day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

#: A delivery whose records span more days than this is history, not late, see cleaning/lateness.py.
HISTORY_DAYS = 14
#: The most that undone_within_days may be: what is refunded later was a purchase, and then a return.
MOST_UNDONE_DAYS = 30


@dataclass(frozen=True)
class Window:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True)
class ChurnDefinition:
    """A shop's definition of churn. All lengths in days; horizons ascend.

    undone_within_days  sales that are refunded within so many days are no activity, see tensors/activity.py; 0: on the
                        same day
    """

    horizons_days: tuple[int, ...] = (30, 60, 90)
    primary_horizon_days: int = 60
    eligible_within_days: int = 90
    activity: str = "purchase"
    undone_within_days: int = 7


def activity_window(as_of: date, length_days: int) -> Window:
    """(as_of - length, as_of]: the days whose activity makes a customer eligible, or active for a horizon's metric."""
    return Window(as_of - timedelta(days=length_days - 1), as_of)


def label_window(as_of: date, horizon_days: int) -> Window:
    """(as_of, as_of + H]: churned for H means no qualifying activity in these days."""
    return Window(as_of + timedelta(days=1), as_of + timedelta(days=horizon_days))


def labelled_history_days(churn: ChurnDefinition, delay_days: int = 0) -> int:
    """The least history with a known label of the longest horizon: a weekly step, the horizon and the label delay."""
    return 7 + churn.horizons_days[-1] + delay_days


def history_needed_days(churn: ChurnDefinition, delay_days: int = 0) -> int:
    """The least history that a training needs: known labels, and one more window for the gate to test on."""
    return labelled_history_days(churn, delay_days) + churn.horizons_days[-1] + delay_days


def is_closed(step_day: date, horizon_days: int, as_of: date, delay_days: int = 0) -> bool:
    """Whether the label of `step_day` for this horizon is known at `as_of`: its window and the label delay have
    passed."""
    return step_day + timedelta(days=horizon_days + delay_days) <= as_of
