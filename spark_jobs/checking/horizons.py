"""Checks that the shop's horizons suit how often its customers return. Without Spark.

If nearly all customers return within a horizon, or nearly none, no model can distinguish them. Suitable horizons follow
from the usual gap between two days of activity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Below the first and above the second churn rate a horizon distinguishes little; then the fewest customers of a rate.
FEW_CHURN, MOST_CHURN = 0.02, 0.95
FEWEST_CUSTOMERS = 100
#: If this share of customers was active on one day only, no horizon helps.
MOST_ONCE = 0.9
#: Suggested horizons in usual gaps: with random days of activity, half, a quarter and an eighth of the customers stay
#: away that long.
GAPS = (1, 2, 3)
#: The longest suggested horizon: training needs twice as much history.
LONGEST = 365


@dataclass(frozen=True)
class Rhythm:
    """How often customers are active: the share with one active day, and the median of the others' mean gaps."""

    once: float
    gap_days: float | None


def judge_horizons(churned: Mapping[int, tuple[float, int]], rhythm: Rhythm, activity: str) -> list[str]:
    """Notes, one sentence each; empty if the horizons are suitable. churned: horizon -> (churn rate, customers)."""
    known = {days: rate for days, (rate, count) in churned.items() if count >= FEWEST_CUSTOMERS}
    notes = [
        f"{days} days: {rate:.1%} churn, so this horizon hardly distinguishes customers: it is too "
        f"{'short' if rate >= MOST_CHURN else 'long'} for this shop"
        for days, rate in known.items()
        if rate >= MOST_CHURN or rate <= FEW_CHURN
    ]
    if not notes:
        return []
    return [*notes, _advise(churned, rhythm, activity)]


def _advise(churned: Mapping[int, tuple[float, int]], rhythm: Rhythm, activity: str) -> str:
    """Suggests horizons, or says that none is suitable."""
    suggested = suggest_horizons(rhythm.gap_days)
    if rhythm.once >= MOST_ONCE or rhythm.gap_days is None or not suggested:
        return (
            f"{rhythm.once:.1%} of the customers have a {activity} on one day only: no horizon distinguishes who comes "
            "back, so nearly all customers get the same risk"
        )
    usual = f"half of the customers who come back do so at least every {round(rhythm.gap_days):,} days"
    return (
        f"{usual}, which fits the horizons"
        if suggested == sorted(churned)
        else (f"{usual}: try horizons_days = {suggested}")
    )


def suggest_horizons(gap_days: float | None) -> list[int]:
    """Up to three horizons from the usual gap, in round numbers; empty if no customer returned."""
    if gap_days is None:
        return []
    unit = 1 if gap_days < 10 else 5 if gap_days < 100 else 10
    rounded = (max(1, round(gap_days * gaps / unit) * unit) for gaps in GAPS)
    return sorted({min(days, LONGEST) for days in rounded})
