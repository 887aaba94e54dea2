"""What would contacting have earned at the gate's cut-off, by how many are contacted?

By the money of shop.toml's [contact]: contacting a customer costs `cost`; of those who would leave `success_rate` stay
and then spend what was expected of them, of which `margin` is earned. Who left is what happened; that a contact helps
is the assumption.
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
    """Profit after contacting so many, highest expected profit first, in shop currency; all (n + 1,), from nobody on.

    depth  so many are worth a contact: those whose own expected profit is above zero
    """

    share: np.ndarray
    expected: np.ndarray
    came: np.ndarray
    depth: int


def expect_spend_at(series: Series, cutoff: date, shop: Shop, spec: TensorSpec) -> np.ndarray:
    """(N,) what those eligible at the cut-off would spend in the primary horizon if they stay, by what was known then;
    in the order of the series, as Predictions are."""
    model = fit_spend(series, cutoff, shop, spec)
    then = take_snapshot(series, cutoff, shop, spec, model.limits)
    own, line = then.daily_rates * shop.churn.primary_horizon_days, model.stays
    return own[:, 0] if line is None else line.predict(then.inputs, own)


def trace_profit(outcome: np.ndarray, p: np.ndarray, expected_spend: np.ndarray, contact: Contact) -> ProfitCurve:
    """Of customers (n,) whose outcome is known."""
    kept = expected_spend * contact.success_rate * contact.margin
    profit = p * kept - contact.cost
    order = np.argsort(-profit, kind="stable")
    expected = np.concatenate([[0.0], np.cumsum(profit[order])])
    came = np.concatenate([[0.0], np.cumsum((outcome * kept - contact.cost)[order])])
    return ProfitCurve(np.linspace(0, 1, len(p) + 1), expected, came, int((profit > 0).sum()))
