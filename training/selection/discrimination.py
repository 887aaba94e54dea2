"""Can this data tell customers apart at all? Where it cannot, no method can, and people should hear why.

It cannot where the best method ranks no better than chance, or where the constant rate loses nothing to it: then nearly
everybody gets the same probability, which is good for counting and useless for choosing whom to contact.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from training.evaluation.metrics import LEVEL, Ranking, auroc_half_interval, log_losses
from training.evaluation.predictions import Predictions
from training.models.contenders.constant import CONSTANT

#: A churn rate this near to 0 or 1 explains why nobody can be told apart.
EXTREME_RATE = 0.05


def expect_auroc(p: np.ndarray) -> float:
    """The AUROC that probabilities p (n,) would have on average if each of them were right; 0.5 where all are equal.

    Each pair of customers counts with the chance p (1 - p') that the first churns and the other stays.
    """
    order = np.argsort(p, kind="stable")
    p = p[order]
    starts = np.flatnonzero(np.diff(p, prepend=-np.inf))
    churn, stay = (np.add.reduceat(values, starts) for values in (p, 1 - p))
    pairs = churn.sum() * stay.sum()
    return float((churn * (np.cumsum(stay) - stay / 2)).sum() / pairs) if pairs > 0 else 0.5


def list_blind_horizons(predictions: Predictions, method: str) -> Iterator[str]:
    """A sentence for each horizon at which nothing shows that the method tells customers apart, with the reasons.

    Intervals are 95 % over all horizons together, as the gate's.
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
    """What speaks for it, in numbers; nothing where the method tells customers apart."""
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
        half = norm.ppf((1 + level) / 2) * difference.std() / np.sqrt(len(difference))
        if difference.mean() + half >= 0:
            yield f"the constant rate is as good (log loss {difference.mean():+.4f} ± {half:.4f})"
