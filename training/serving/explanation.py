"""Explains a customer's risk by up to three pieces of evidence: a group of inputs, and since when it matters.

Evidence is the values of a group of inputs over the last weeks. To remove it is to reset these inputs to their values
before those weeks or, for a level, to typical values. Its effect is how far the probability then falls (occlusion),
computed exactly for every kind. Earlier steps do not change, so a network continues from the states stored in scoring.

To remove every group over every window for every customer would cost dozens of scorings. Instead, a regression that was
trained on a sample estimates all effects cheaply (effect_estimates.py), and only the three largest estimates are
removed to measure their effects. For a customer without any positive effect, the level of each group is measured as
well. If none raises the probability either, the reason is the base rate of similar customers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spark_jobs.contract.reason_words import BASE_RATE
from training.serving.effect_estimates import estimate_effects
from training.serving.evidence import WINDOW_WEEKS, ScoredInputs, list_groups

if TYPE_CHECKING:
    from training.selection.fit import Candidate


MOST_REASONS = 3
#: A change is preferred to a level, and a shorter window to a longer one, if it has this share of the largest effect.
ENOUGH = 0.8
#: Smaller effects are rounding errors of 32-bit arithmetic.
SMALLEST_EFFECT = 1e-4
#: A further reason is measured if its estimated effect is at least this share of the first one's.
WORTH_TELLING = 0.1


class Reasons(NamedTuple):
    """The reasons of each customer, the strongest first; all (B, MOST_REASONS).

    group   object: the group of inputs, None for no further reason; BASE_RATE first if no evidence raises the risk
    weeks   int64: the evidence is a change within this many weeks; 0: it is a level
    effect  float64: how far the probability falls without the evidence; NaN if there is none
    """

    group: np.ndarray
    weeks: np.ndarray
    effect: np.ndarray

    def only(self, is_kept: np.ndarray) -> Reasons:
        """The reasons with those removed where is_kept (B, MOST_REASONS) is false."""
        group = self.group.copy()
        group[~is_kept] = None
        return Reasons(group, self.weeks, np.where(is_kept, self.effect, np.nan))


def find_reasons(candidate: Candidate, scored: ScoredInputs, rows: np.ndarray) -> Reasons:
    """The reasons of these rows (B,) of the scored customers."""
    inputs, lengths, present = scored.inputs[rows], scored.lengths[rows], scored.present[rows]
    effect, weeks = _choose_windows(estimate_effects(candidate, inputs, lengths, present))
    strongest = np.argsort(-effect, axis=1, kind="stable")[:, :MOST_REASONS]
    estimate, weeks = (np.take_along_axis(values, strongest, axis=1) for values in (effect, weeks))
    row, rank = np.nonzero((np.arange(strongest.shape[1]) == 0) | (estimate >= WORTH_TELLING * estimate[:, :1]))
    effect = np.full((len(rows), MOST_REASONS), np.nan)
    effect[row, rank] = scored.measure(candidate, rows[row], strongest[row, rank], weeks[row, rank])
    group = np.full((len(rows), MOST_REASONS), None, dtype=object)
    group[:, : strongest.shape[1]] = np.array(list_groups(candidate.spec), dtype=object)[strongest]
    missing = ((0, 0), (0, MOST_REASONS - strongest.shape[1]))  # a model of one or two groups
    reasons = _order(group, np.pad(weeks, missing), effect)
    return _find_levels(candidate, scored, rows, reasons)


def _find_levels(candidate: Candidate, scored: ScoredInputs, rows: np.ndarray, reasons: Reasons) -> Reasons:
    """Gives customers without a reason the strongest measured level, or else BASE_RATE: the estimates may be wrong."""
    bare = np.flatnonzero(np.isnan(reasons.effect[:, 0]))
    names = list_groups(candidate.spec)
    if not len(bare):
        return reasons
    place = np.tile(np.arange(len(names)), len(bare))
    effect = scored.measure(candidate, np.repeat(rows[bare], len(names)), place, np.zeros_like(place))
    effect = effect.reshape(len(bare), len(names))
    best = effect.argmax(axis=1)
    strongest = effect[np.arange(len(bare)), best]
    is_evidence = strongest >= SMALLEST_EFFECT
    reasons.group[bare, 0] = np.where(is_evidence, np.array(names, dtype=object)[best], BASE_RATE)
    reasons.weeks[bare, 0] = 0
    reasons.effect[bare, 0] = np.where(is_evidence, strongest, np.nan)
    return reasons


def _order(group: np.ndarray, weeks: np.ndarray, effect: np.ndarray) -> Reasons:
    """Sorts by effect, and drops those that do not raise the risk."""
    effect = np.where(effect >= SMALLEST_EFFECT, effect, np.nan)
    order = np.argsort(-effect, axis=1, kind="stable")  # NaN goes last
    group, weeks, effect = (np.take_along_axis(values, order, axis=1) for values in (group, weeks, effect))
    return Reasons(group, weeks, effect).only(~np.isnan(effect))


def _choose_windows(effects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From effects (W, B, G), for each customer and group (B, G): the effect of the chosen window, and its weeks."""
    largest = np.maximum(effects.max(axis=0), 0.0)
    changes = effects[1:] >= ENOUGH * largest
    window = np.where(changes.any(axis=0), 1 + changes.argmax(axis=0), 0)
    return np.take_along_axis(effects, window[None], axis=0)[0], np.array(WINDOW_WEEKS)[window]
