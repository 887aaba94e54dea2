"""Do the shop's horizons suit how often its customers come back? Notes of `check`, without Spark.

At a horizon within which nearly nobody comes back, or nearly everybody, all customers look alike and no model can tell
them apart. The usual gap between two days of activity says which horizons would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Churn rates up to and from which a horizon tells little apart; and the customers from which on a rate says so.
FEW_CHURN, MOST_CHURN = 0.02, 0.95
FEWEST_CUSTOMERS = 100
#: With this share of customers who were active on one day only, hardly any horizon helps.
MOST_ONCE = 0.9
#: Suggested horizons in usual gaps: where days of activity come at random, half, a quarter and an eighth of the
#: customers stay away for so long.
GAPS = (1, 2, 3)
#: No longer horizon is suggested: training needs twice as much history.
LONGEST = 365


@dataclass(frozen=True)
class Rhythm:
    """How often customers are active: share with one active day only, and the median of the others' mean gaps."""

    once: float
    gap_days: float | None


def judge_horizons(churned: Mapping[int, tuple[float, int]], rhythm: Rhythm, activity: str) -> list[str]:
    """Notes, a sentence each; empty where the horizons suit. churned: horizon -> churn rate, customers it is of."""
    known = {days: rate for days, (rate, count) in churned.items() if count >= FEWEST_CUSTOMERS}
    notes = [
        f"{days} days: {rate:.1%} churn, so this horizon can hardly tell customers apart: it is too "
        f"{'short' if rate >= MOST_CHURN else 'long'} for this shop"
        for days, rate in known.items()
        if rate >= MOST_CHURN or rate <= FEW_CHURN
    ]
    if not notes:
        return []
    return [*notes, _advise(churned, rhythm, activity)]


def _advise(churned: Mapping[int, tuple[float, int]], rhythm: Rhythm, activity: str) -> str:
    """Which horizons would suit, or that none does."""
    suggested = suggest_horizons(rhythm.gap_days)
    if rhythm.once >= MOST_ONCE or rhythm.gap_days is None or not suggested:
        return (
            f"{rhythm.once:.1%} of the customers have one day with a {activity} only: no horizon tells apart who comes "
            "back, expect one risk for nearly everybody"
        )
    usual = f"half of those who come back do so at least every {round(rhythm.gap_days):,} days"
    return (
        f"{usual}, as the horizons suppose"
        if suggested == sorted(churned)
        else (f"{usual}: try horizons_days = {suggested}")
    )


def suggest_horizons(gap_days: float | None) -> list[int]:
    """Up to three horizons from the usual gap, in round numbers; empty where nobody came back."""
    if gap_days is None:
        return []
    unit = 1 if gap_days < 10 else 5 if gap_days < 100 else 10
    rounded = (max(1, round(gap_days * gaps / unit) * unit) for gaps in GAPS)
    return sorted({min(days, LONGEST) for days in rounded})
