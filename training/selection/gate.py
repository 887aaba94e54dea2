"""The gate: trains every kind as of the longest horizon ago, and evaluates it on what has happened since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from training.config import ModelSettings
from training.evaluation.predictions import MetricRow, Predictions, measure
from training.selection.discrimination import list_blind_horizons
from training.selection.fit import Candidate, fit_candidates
from training.selection.learning import Progress
from training.selection.segments import TRAITS, SegmentCheck, check_segments
from training.selection.verdict import Verdict, choose_simplest_best, judge
from training.tensors.outcomes import take_outcomes
from training.tensors.series import Series, truncate


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
    """Trains every kind on what was known one longest horizon plus the delay of late files before `as_of`, and
    evaluates it on the outcomes since."""
    cutoff = as_of - timedelta(days=shop.churn.horizons_days[-1] + series.delay_days)
    try:
        candidates = fit_candidates(series, cutoff, shop, settings, progress=progress)
    except ChurnError as error:
        raise ChurnError(f"the gate trains as of {cutoff}, {as_of} less the longest horizon: {error}") from None
    predictions = predict_cutoff(candidates, series, cutoff, shop)
    verdict = choose_scorer(predictions, validated_losses(candidates))
    segments = check_segments(predictions, verdict.promoted)
    blind = list_blind_horizons(predictions, verdict.promoted)
    warnings = (*blind, *verdict.warnings, *(str(segment) for segment in segments if segment.is_off))
    verdict = replace(verdict, warnings=warnings)
    return GateResult(cutoff, candidates, predictions, measure(predictions), verdict, segments)


def choose_scorer(predictions: Predictions, losses: Mapping[str, np.ndarray]) -> Verdict:
    """The verdict on the kind with the best validation that the gate does not refuse.

    losses  kind -> validation log loss per horizon (H,), by which kinds are ranked and contenders chosen. The outcomes
            in `predictions` are used only to refuse a kind: among many kinds and horizons one is always best by chance.
    """
    refused: dict[str, tuple[str, ...]] = {}
    ranked = list(_rank(mean_losses(losses)))
    for number, kind in enumerate(ranked[:-1]):
        left = {other: losses[other] for other in ranked[number + 1 :]}
        verdict = judge(predictions, kind, best=choose_contenders(left, predictions.horizons_days), fallback=kind)
        if not verdict.reasons:
            return replace(verdict, refused=refused)
        refused[kind] = verdict.reasons
    best = ranked[0]  # every kind is refused: the one with the best validation scores nevertheless
    left = {kind: losses[kind] for kind in ranked[1:]}
    verdict = judge(predictions, best, best=choose_contenders(left, predictions.horizons_days), fallback=best)
    return replace(verdict, refused={kind: reasons for kind, reasons in refused.items() if kind != best})


def choose_contenders(losses: Mapping[str, np.ndarray], horizons_days: tuple[int, ...]) -> dict[int, str]:
    """Horizon in days -> the kind with the best validation at that horizon."""
    return {
        days: choose_simplest_best({kind: float(loss[h]) for kind, loss in losses.items()})
        for h, days in enumerate(horizons_days)
    }


def _rank(losses: Mapping[str, float]) -> Iterator[str]:
    """The kinds by ascending loss; among ties the simpler first."""
    left = dict(losses)
    while left:
        kind = choose_simplest_best(left)
        del left[kind]
        yield kind


def choose_best_validated(candidates: Mapping[str, Candidate]) -> str:
    """The kind with the best validation, which scores if the history is too short for a gate."""
    return next(_rank(mean_losses(validated_losses(candidates))))


def mean_losses(losses: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Kind -> mean loss over the horizons, by which kinds are ranked."""
    return {kind: float(loss.mean()) for kind, loss in losses.items()}


def validated_losses(candidates: Mapping[str, Candidate]) -> dict[str, np.ndarray]:
    """Kind -> validation log loss (H,); infinite at horizons without validation data."""
    return {kind: np.nan_to_num(candidate.validation_log_loss, nan=np.inf) for kind, candidate in candidates.items()}


def predict_cutoff(candidates: dict[str, Candidate], series: Series, cutoff: date, shop: Shop) -> Predictions:
    """The predictions of each candidate for all customers eligible at the cut-off, and their outcomes.

    `series` extends beyond the cut-off, but the candidates see only what was known then. They share one spec.
    """
    parts = [_predict_chunk(candidates, chunk, cutoff, shop, series.delay_days) for chunk in series.chunks()]
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


def _predict_chunk(candidates: dict[str, Candidate], chunk: pa.Table, cutoff: date, shop: Shop, delay_days: int):
    outcomes = take_outcomes(chunk, cutoff, shop, delay_days)
    of_eligible = np.flatnonzero(outcomes.eligible)
    then = chunk.take(pa.array(of_eligible))
    by_kind = {kind: np.empty((0, len(shop.churn.horizons_days))) for kind in candidates}
    spec = next(iter(candidates.values())).spec
    names = {trait: name for trait, (name, _) in TRAITS.items() if name in spec.feature_names}
    traits = {trait: np.empty(0) for trait in names}
    if len(of_eligible):
        tensors = spec.build(truncate(then, cutoff), cutoff)
        by_kind = {kind: candidate.predict(tensors.inputs, tensors.lengths) for kind, candidate in candidates.items()}
        last = tensors.last(tensors.inputs)
        traits = {trait: last[:, spec.feature_names.index(name)].astype(np.float64) for trait, name in names.items()}
    ids = then["customer_id"].to_numpy()
    return ids, outcomes.active[of_eligible], outcomes.outcome[of_eligible], by_kind, traits
