"""Do the probabilities discriminate between customers at all? If not, the report says so, with the reasons.

They do not if the method ranks no better than chance, or if its log loss is not better than that of the constant rate:
then nearly all customers get the same probability, which can be used for counting but not for choosing whom to contact.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from training.evaluation.metrics import LEVEL, Ranking, auroc_half_interval, log_losses
from training.evaluation.predictions import Predictions
from training.models.contenders.constant import CONSTANT

#: A churn rate this close to 0 or 1 is given as a reason.
EXTREME_RATE = 0.05


def expect_auroc(p: np.ndarray) -> float:
    """The expected AUROC of probabilities p (n,) if they are calibrated; 0.5 if all are equal.

    Each pair of customers is weighted with the probability p (1 - p') that the first churns and the other stays.
    """
    order = np.argsort(p, kind="stable")
    p = p[order]
    starts = np.flatnonzero(np.diff(p, prepend=-np.inf))
    churn, stay = (np.add.reduceat(values, starts) for values in (p, 1 - p))
    pairs = churn.sum() * stay.sum()
    return float((churn * (np.cumsum(stay) - stay / 2)).sum() / pairs) if pairs > 0 else 0.5


def list_blind_horizons(predictions: Predictions, method: str) -> Iterator[str]:
    """A sentence for each horizon at which the method does not demonstrably discriminate, with the reasons.

    Intervals are 95 % for all horizons together, like the gate's.
    """
    for index, horizon_days in enumerate(predictions.horizons_days):
        outcome, _ = predictions.outcome_and_p(method, index)
        if not 0 < outcome.sum() < len(outcome):
            continue
        causes = list(_list_causes(predictions, index, method))
        if causes:
            rate = float(outcome.mean())
            at_edge = [f"{rate:.1%} of {len(outcome):,} churn"] if min(rate, 1 - rate) <= EXTREME_RATE else []
            yield f"{horizon_days} days: nothing tells customers apart: {', '.join([*at_edge, *causes])}"


def _list_causes(predictions: Predictions, index: int, method: str) -> Iterator[str]:
    """The reasons with their numbers; none if the method discriminates."""
    outcome, p = predictions.outcome_and_p(method, index)
    auroc = float(Ranking(outcome, p).auroc(np.ones((1, len(p))))[0])
    half = auroc_half_interval(outcome, p)
    if method == CONSTANT or half is None or auroc - half <= 0.5:
        interval = "" if half is None else f" ± {half:.2f}"
        yield f"AUROC {auroc:.2f}{interval} is no better than chance"
    if method != CONSTANT and CONSTANT in predictions.by_method:
        _, rate = predictions.outcome_and_p(CONSTANT, index)
        difference = log_losses(outcome, p) - log_losses(outcome, rate)
        level = 1 - (1 - LEVEL) / len(predictions.horizons_days)
        half = ndtri((1 + level) / 2) * difference.std() / np.sqrt(len(difference))
        if difference.mean() + half >= 0:
            yield f"the constant rate is as good (log loss {difference.mean():+.4f} ± {half:.4f})"
