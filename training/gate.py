"""May this model score? The recipe, run as if today were the longest horizon ago, and judged by what happened since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop import Shop
from training.baselines import BASELINES
from training.config import ModelSettings
from training.dataset import Series, truncate
from training.evaluate import (
    MetricRow,
    Predictions,
    Verdict,
    choose_simplest_best,
    judge,
    measure,
    take_outcomes,
)
from training.fit import Candidate, Progress, fit_candidates
from training.members import LSTM


@dataclass(frozen=True)
class GateResult:
    cutoff: date
    candidates: dict[str, Candidate]
    predictions: Predictions
    metrics: list[MetricRow]
    verdict: Verdict


def run_gate(
    series: Series, as_of: date, shop: Shop, settings: ModelSettings, progress: Progress | None = None
) -> GateResult:
    """Trains every kind on what was known one longest horizon before `as_of` and judges the network by the rest."""
    cutoff = as_of - timedelta(days=shop.churn.horizons_days[-1])
    try:
        candidates = fit_candidates(series, cutoff, shop, settings, progress=progress)
    except ChurnError as error:
        raise ChurnError(f"the gate trains as of {cutoff}, {as_of} less the longest horizon: {error}") from None
    predictions = predict_cutoff(candidates, series, cutoff, shop)
    best, fallback = choose_contenders(candidates, shop)
    verdict = judge(predictions, LSTM, best=best, fallback=fallback)
    return GateResult(cutoff, candidates, predictions, measure(predictions), verdict)


def kinds_that_may_score(verdict: Verdict) -> tuple[str, ...]:
    """What has to be trained on all that is known today: the network if it passed, else every baseline."""
    return (verdict.candidate,) if verdict.passed else tuple(BASELINES)


def choose_promoted(verdict: Verdict, candidates: dict[str, Candidate], shop: Shop) -> str:
    """The kind that scores from today on: the network if it passed, else the best baseline on today's validation.

    The gate's own validation is one longest horizon old; which baseline is best may have changed since.
    """
    return verdict.candidate if verdict.passed else choose_contenders(candidates, shop)[1]


def predict_cutoff(candidates: dict[str, Candidate], series: Series, cutoff: date, shop: Shop) -> Predictions:
    """What each candidate says about everybody who was eligible at the cut-off, and what happened to them.

    `series` reaches beyond the cut-off; the candidates see none of that.
    """
    parts = [_predict_chunk(candidates, chunk, cutoff, shop) for chunk in series.chunks()]
    ids, active, outcome, by_kind = zip(*parts, strict=True)
    return Predictions(
        customer_id=np.concatenate(ids),
        cutoff=cutoff,
        horizons_days=shop.churn.horizons_days,
        active=np.concatenate(active),
        outcome=np.concatenate(outcome),
        by_method={kind: np.concatenate([part[kind] for part in by_kind]) for kind in candidates},
    )


def _predict_chunk(candidates: dict[str, Candidate], chunk: pa.Table, cutoff: date, shop: Shop):
    outcomes = take_outcomes(chunk, cutoff, shop)
    of_eligible = np.flatnonzero(outcomes.eligible)
    then = chunk.take(pa.array(of_eligible))
    by_kind = {kind: np.empty((0, len(shop.churn.horizons_days))) for kind in candidates}
    if len(of_eligible):
        for kind, candidate in candidates.items():
            tensors = candidate.spec.build(truncate(then, cutoff), cutoff)
            by_kind[kind] = candidate.predict(tensors.inputs, tensors.lengths)
    ids = then["customer_id"].to_numpy()
    return ids, outcomes.active[of_eligible], outcomes.outcome[of_eligible], by_kind


def choose_contenders(candidates: dict[str, Candidate], shop: Shop) -> tuple[dict[int, str], str]:
    """The best baseline by validation: per horizon, and over all of them, which scores where the network may not."""
    losses = {
        kind: np.nan_to_num(candidate.validation_log_loss, nan=np.inf)  # nobody to validate on: all tie
        for kind, candidate in candidates.items()
        if kind != LSTM
    }
    best = {
        days: choose_simplest_best({kind: loss[h] for kind, loss in losses.items()})
        for h, days in enumerate(shop.churn.horizons_days)
    }
    return best, choose_simplest_best({kind: float(loss.mean()) for kind, loss in losses.items()})
