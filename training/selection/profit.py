"""The profit that contacts would have had at the gate's cut-off, as a function of the number of customers contacted.

With the values of [contact] in shop.toml: a contact costs `cost`; of those who would leave, `success_rate` stay and
spend what was expected of them, of which `margin` is earned. Churn is the actual outcome; the effect of a contact is an
assumption.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from spark_jobs.contract.shop.model import Contact, Shop
from training.selection.snapshots import take_snapshot
from training.selection.spend import fit_spend
from training.tensors.dataset import TensorSpec
from training.tensors.series import Series


@dataclass(frozen=True)
class ProfitCurve:
    """Cumulative profit in shop currency after 0 to n contacts, in descending order of expected profit; all (n + 1,).

    share, expected, actual  share of customers contacted, expected profit, actual profit
    depth                  the number of customers with a positive expected profit
    """

    share: np.ndarray
    expected: np.ndarray
    actual: np.ndarray
    depth: int


def expect_spend_at(series: Series, cutoff: date, shop: Shop, spec: TensorSpec) -> np.ndarray:
    """(N,) the expected spend in the primary horizon, if they stay, of customers eligible at the cut-off, by what was
    known then; in the order of the series, like Predictions."""
    model = fit_spend(series, cutoff, shop, spec)
    then = take_snapshot(series, cutoff, shop, spec, model.limits)
    own, line = then.daily_rates * shop.churn.primary_horizon_days, model.stays
    return own[:, 0] if line is None else line.predict(then.inputs, own)


def trace_profit(outcome: np.ndarray, p: np.ndarray, expected_spend: np.ndarray, contact: Contact) -> ProfitCurve:
    """The curve for customers (n,) with known outcomes."""
    kept = expected_spend * contact.success_rate * contact.margin
    profit = p * kept - contact.cost
    order = np.argsort(-profit, kind="stable")
    expected = np.concatenate([[0.0], np.cumsum(profit[order])])
    actual = np.concatenate([[0.0], np.cumsum((outcome * kept - contact.cost)[order])])
    return ProfitCurve(np.linspace(0, 1, len(p) + 1), expected, actual, int((profit > 0).sum()))
