"""Estimates the effects of evidence by linear regressions, trained on a sample in which all effects were measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from spark_jobs.contract.reason_words import REASON_GROUPS
from training.serving.evidence import WINDOW_WEEKS, ScoredInputs, count_steps, list_groups, look_back

if TYPE_CHECKING:
    from training.selection.fit import Candidate
    from training.tensors.dataset import Tensors

SAMPLE_CUSTOMERS = 1000
#: A window is never used as a reason if fewer of them have been customers for that long.
FEWEST_CUSTOMERS = 50
#: Ridge penalty per customer: correlated inputs share the weight.
PENALTY = 0.01


def estimate_effects(candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray, present: np.ndarray) -> np.ndarray:
    """(W, B, G) the estimated effects; -inf for a window that begins before the customer's first step."""
    return np.stack([
        np.where(
            count_steps(weeks, candidate.spec) < lengths[:, None],
            _describe(candidate, inputs, lengths, present, weeks) @ learned[1:] + learned[0],
            -np.inf,
        )
        for weeks, learned in zip(WINDOW_WEEKS, candidate.kept_evidence(), strict=True)
    ])  # fmt: skip


def _describe(
    candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray, present: np.ndarray, weeks: int
) -> np.ndarray:
    """(B, 2 + 2F) the regressors: the probability p and p (1 - p), the inputs now and those before the window."""
    now = inputs[np.arange(len(inputs)), lengths - 1]
    before = look_back(candidate, inputs, lengths, np.full(len(inputs), weeks))
    return np.column_stack([present, present * (1 - present), now, before])


def learn_evidence(candidate: Candidate, batches: Iterable[Tensors]) -> np.ndarray:
    """(W, 3 + 2F, G) float32: for every window the coefficients of the regression, the intercept first.

    Trained on effects at the primary horizon, for the first SAMPLE_CUSTOMERS eligible customers of the batches, which
    must all have the same width.
    """
    sample = ScoredInputs.at(candidate, *_take_sample(batches, candidate.spec.churn.eligible_within_days))
    groups = list_groups(candidate.spec)
    learned = np.zeros((len(WINDOW_WEEKS), 3 + 2 * sample.inputs.shape[2], len(groups)), np.float32)
    for line, weeks in zip(learned, WINDOW_WEEKS, strict=True):
        lived = np.flatnonzero(count_steps(weeks, candidate.spec) < sample.lengths)
        line[0] = -1.0  # lower than any effect, if there is too little data
        if len(lived) < FEWEST_CUSTOMERS:
            continue
        effects = np.full((len(lived), len(groups)), -1.0)
        for number, group in enumerate(groups):
            if not (weeks and REASON_GROUPS[group].is_level):
                chosen = np.full(len(lived), number), np.full(len(lived), weeks)
                effects[:, number] = sample.measure(candidate, lived, *chosen)
        own = sample.inputs[lived], sample.lengths[lived], sample.present[lived]
        line[:] = _fit_lines(_describe(candidate, *own, weeks), effects)
    return learned


def _take_sample(batches: Iterable[Tensors], eligible_within_days: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and lengths of the first SAMPLE_CUSTOMERS eligible customers."""
    inputs, lengths = [], []
    for tensors in batches:
        rows = np.flatnonzero(tensors.last(tensors.quiet_days) < eligible_within_days)
        inputs.append(tensors.inputs[rows])
        lengths.append(tensors.lengths[rows])
        if sum(map(len, lengths)) >= SAMPLE_CUSTOMERS:
            break
    return np.concatenate(inputs)[:SAMPLE_CUSTOMERS], np.concatenate(lengths)[:SAMPLE_CUSTOMERS]


def _fit_lines(described: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """(1 + width, G) coefficients of ridge regressions on standardised columns, transformed to the original columns."""
    from sklearn.linear_model import Ridge  # takes seconds, and only a training needs it
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(described)
    lines = Ridge(alpha=PENALTY * len(described)).fit(scaler.transform(described), effects)
    slopes = lines.coef_.T / scaler.scale_[:, None]
    return np.vstack([lines.intercept_ - scaler.mean_ @ slopes, slopes])
