"""Are money, items, times and ratings in their usual range? Pure functions."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from training.monitoring.findings import BLOCK, OK, WARN, Finding
from training.monitoring.thresholds import FEWEST_CUSTOMERS, LIMITS, USUAL_DAYS


def check_values(medians: pd.DataFrame, subject: str, as_of: date) -> Finding:
    """Compares the day's median with the days before.

    medians: by event day, `median` over the customers of the day and their `count`. Chance is estimated from the
    variation of the logarithm of the median on the days before.
    """
    before = medians[(medians.index < as_of) & (medians.index >= as_of - timedelta(days=USUAL_DAYS))]
    days = before[before["count"] >= FEWEST_CUSTOMERS]
    count = medians["count"].get(as_of, 0)
    expected = float(days["median"].median()) if len(days) else 0.0
    if count < FEWEST_CUSTOMERS or expected <= 0:
        return Finding("values", subject, None, None, None, OK, "too few customers to compare")
    value = float(medians["median"][as_of])
    ratio = value / expected
    apart = max(ratio, 1 / ratio) if ratio > 0 else np.inf
    is_chance = apart <= np.exp(LIMITS.values_spreads * _measure_scatter(days, count))
    action = OK if is_chance else BLOCK if apart > LIMITS.values_block else WARN if apart > LIMITS.values_warn else OK
    text = f"median {value:,.2f}, before it was {expected:,.2f}"
    return Finding("values", subject, value, expected, ratio, action, text)


def _measure_scatter(days: pd.DataFrame, count: float) -> float:
    """The standard deviation of the logarithm of the median of `count` customers; days as in check_values."""
    paid = days[days["median"] > 0]
    logs = np.log(paid["median"].to_numpy())
    spread = 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
    return spread * float(np.sqrt(max(1.0, paid["count"].median() / count)))


def check_largest(
    subject: str, customer: str | None, value: float, before: float, as_of: date, currency: str
) -> Finding:
    """Compares the largest amount of one customer with the weeks before, which a median would not show."""
    if customer is None or before <= 0:
        return Finding("values", subject, None, None, None, OK, "nothing to compare")
    ratio = value / before
    text = f"{value:,.2f} {currency} of customer {customer} on {as_of}, the weeks before had at most {before:,.2f}"
    action = WARN if ratio > LIMITS.largest_warn else OK
    return Finding("values", subject, value, before, ratio, action, text)


def check_refunds(customers: int, excess: float, paid: float, currency: str) -> Finding:
    """Checks the refunds beyond everything that customers ever paid, which are not counted as money."""
    share = excess / paid if paid > 0 else 0.0
    text = (
        f"refunds of {customers:,} customers exceed all that they ever paid, by {excess:,.2f} {currency}: not counted"
    )
    action = WARN if share > LIMITS.refunds_warn else OK
    return Finding("values", "refunds beyond sales", excess, paid, share, action, text)
