"""May this model score? The recipe, run as if today were the longest horizon ago, and judged by what happened since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop import Shop
from training.config import ModelSettings
from training.dataset import Series, truncate
from training.evaluate import (
    MetricRow,
    Predictions,
    Verdict,
    choose_simplest_best,
    find_toughest,
    judge,
    measure,
    take_outcomes,
)
from training.fit import Candidate, Progress, fit_candidates
from training.segments import TRAITS, SegmentCheck, check_segments


@dataclass(frozen=True)
class GateResult:
    cutoff: date
    candidates: dict[str, Candidate]
    predictions: Predictions
    metrics: list[MetricRow]
    verdict: Verdict
    segments: list[SegmentCheck]


def run_gate(
    series: Series, as_of: date, shop: Shop, settings: ModelSettings, progress: Progress | None = None
) -> GateResult:
    """Trains every kind on what was known one longest horizon before `as_of` and judges each by the rest."""
    cutoff = as_of - timedelta(days=shop.churn.horizons_days[-1])
    try:
        candidates = fit_candidates(series, cutoff, shop, settings, progress=progress)
    except ChurnError as error:
        raise ChurnError(f"the gate trains as of {cutoff}, {as_of} less the longest horizon: {error}") from None
    predictions = predict_cutoff(candidates, series, cutoff, shop)
    verdict = choose_scorer(predictions, validated_losses(candidates))
    segments = check_segments(predictions, verdict.promoted)
    warnings = (*verdict.warnings, *(str(segment) for segment in segments if segment.is_off))
    verdict = replace(verdict, warnings=warnings)
    return GateResult(cutoff, candidates, predictions, measure(predictions), verdict, segments)


def choose_scorer(predictions: Predictions, losses: Mapping[str, float]) -> Verdict:
    """The verdict on the best validated kind that no other is significantly better than.

    losses  kind -> validated log loss; never of the outcomes in `predictions`, which can only refuse
    """
    refused: dict[str, tuple[str, ...]] = {}
    ranked = list(_rank(losses))
    for kind in ranked:
        verdict = judge(predictions, kind, best=find_toughest(predictions, kind), fallback=kind)
        if verdict.passed:
            return replace(verdict, refused=refused)
        refused[kind] = verdict.reasons
    best = ranked[0]  # each is beaten somewhere: the best validated scores for want of a better one
    verdict = judge(predictions, best, best=find_toughest(predictions, best), fallback=best)
    return replace(verdict, refused={kind: reasons for kind, reasons in refused.items() if kind != best})


def _rank(losses: Mapping[str, float]) -> Iterator[str]:
    """The kinds by loss; of those that tie, the simpler first."""
    left = dict(losses)
    while left:
        kind = choose_simplest_best(left)
        del left[kind]
        yield kind


def validated_losses(candidates: Mapping[str, Candidate]) -> dict[str, float]:
    """Kind -> mean validation log loss over the horizons; infinite where there was nobody to validate on."""
    means = {kind: float(candidate.validation_log_loss.mean()) for kind, candidate in candidates.items()}
    return {kind: np.inf if np.isnan(mean) else mean for kind, mean in means.items()}


def predict_cutoff(candidates: dict[str, Candidate], series: Series, cutoff: date, shop: Shop) -> Predictions:
    """What each candidate says about everybody who was eligible at the cut-off, and what happened to them.

    `series` reaches beyond the cut-off; the candidates see none of that. They share one spec.
    """
    parts = [_predict_chunk(candidates, chunk, cutoff, shop) for chunk in series.chunks()]
    ids, active, outcome, by_kind, traits = zip(*parts, strict=True)
    return Predictions(
        customer_id=np.concatenate(ids),
        cutoff=cutoff,
        horizons_days=shop.churn.horizons_days,
        active=np.concatenate(active),
        outcome=np.concatenate(outcome),
        by_method={kind: np.concatenate([part[kind] for part in by_kind]) for kind in candidates},
        traits={trait: np.concatenate([part[trait] for part in traits]) for trait in traits[0]},
    )


def _predict_chunk(candidates: dict[str, Candidate], chunk: pa.Table, cutoff: date, shop: Shop):
    outcomes = take_outcomes(chunk, cutoff, shop)
    of_eligible = np.flatnonzero(outcomes.eligible)
    then = chunk.take(pa.array(of_eligible))
    by_kind = {kind: np.empty((0, len(shop.churn.horizons_days))) for kind in candidates}
    spec = next(iter(candidates.values())).spec
    names = {trait: name for trait, (name, _) in TRAITS.items() if name in spec.feature_names}
    traits = {trait: np.empty(0) for trait in names}
    if len(of_eligible):
        tensors = spec.build(truncate(then, cutoff), cutoff)
        by_kind = {kind: of.predict(tensors.inputs, tensors.lengths) for kind, of in candidates.items()}
        last = tensors.last(tensors.inputs)
        traits = {trait: last[:, spec.feature_names.index(name)].astype(np.float64) for trait, name in names.items()}
    ids = then["customer_id"].to_numpy()
    return ids, outcomes.active[of_eligible], outcomes.outcome[of_eligible], by_kind, traits
