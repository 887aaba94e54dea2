"""Why is this customer at risk? Up to three pieces of evidence: a group of inputs, and since when.

Evidence is what a group of inputs shows over the last weeks. To remove it is to put these inputs back to what they were
before those weeks or, for a level, to what is typical. Its effect is how far the probability falls: exact occlusion,
for every kind. The steps before stay as they are, so a network goes on from the state that scoring left there.

To remove every group over every window of every customer would cost dozens of scorings. So a candidate that is kept
learns from a sample, where all of it is removed, to guess effects at the price of a product; what is guessed to be the
strongest of three groups is then removed in truth. Whoever has no reason by then is looked at again, each group's level
in truth; where none of them raises the probability either, the reason is the rate of customers like this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spark_jobs.contract.reason_words import BASE_RATE
from training.serving.evidence import WINDOW_WEEKS, ScoredInputs, list_groups
from training.serving.guesses import guess_effects

if TYPE_CHECKING:
    from training.selection.fit import Candidate


MOST_REASONS = 3
#: A change is named before a level, and a shorter window before a longer, where it has this share of the effect.
ENOUGH = 0.8
#: Effects below this are rounding of 32-bit arithmetic.
SMALLEST_EFFECT = 1e-4
#: A further reason is looked at where it promises this share of the effect of the first.
WORTH_TELLING = 0.1


class Reasons(NamedTuple):
    """The evidence named for each customer, the strongest first; all (B, MOST_REASONS).

    group   object, None where there is no further reason; BASE_RATE stands first where no evidence raises the risk
    weeks   int64: the evidence is what changed within so many weeks; 0: it is a level
    effect  float64: how far the probability falls without it; NaN where there is no evidence
    """

    group: np.ndarray
    weeks: np.ndarray
    effect: np.ndarray

    def only(self, is_kept: np.ndarray) -> Reasons:
        """Those that are kept (B, MOST_REASONS); no evidence in place of the others."""
        group = self.group.copy()
        group[~is_kept] = None
        return Reasons(group, self.weeks, np.where(is_kept, self.effect, np.nan))


def find_reasons(candidate: Candidate, scored: ScoredInputs, rows: np.ndarray) -> Reasons:
    """The reasons of these rows (B,) of all who were looked at."""
    inputs, lengths, present = scored.inputs[rows], scored.lengths[rows], scored.present[rows]
    effect, weeks = _choose_windows(guess_effects(candidate, inputs, lengths, present))
    strongest = np.argsort(-effect, axis=1, kind="stable")[:, :MOST_REASONS]
    guess, weeks = (np.take_along_axis(values, strongest, axis=1) for values in (effect, weeks))
    row, rank = np.nonzero((np.arange(strongest.shape[1]) == 0) | (guess >= WORTH_TELLING * guess[:, :1]))
    effect = np.full((len(rows), MOST_REASONS), np.nan)
    effect[row, rank] = scored.measure(candidate, rows[row], strongest[row, rank], weeks[row, rank])
    group = np.full((len(rows), MOST_REASONS), None, dtype=object)
    group[:, : strongest.shape[1]] = np.array(list_groups(candidate.spec), dtype=object)[strongest]
    missing = ((0, 0), (0, MOST_REASONS - strongest.shape[1]))  # a model of one or two groups
    reasons = _order(group, np.pad(weeks, missing), effect)
    return _find_levels(candidate, scored, rows, reasons)


def _find_levels(candidate: Candidate, scored: ScoredInputs, rows: np.ndarray, reasons: Reasons) -> Reasons:
    """Whoever has no reason gets the strongest level, measured in truth, or else BASE_RATE: guesses may be wrong."""
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
    """By effect, those that raise the risk only."""
    effect = np.where(effect >= SMALLEST_EFFECT, effect, np.nan)
    order = np.argsort(-effect, axis=1, kind="stable")  # NaN goes last
    group, weeks, effect = (np.take_along_axis(values, order, axis=1) for values in (group, weeks, effect))
    return Reasons(group, weeks, effect).only(~np.isnan(effect))


def _choose_windows(effects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of effects (W, B, G), for each customer and group (B, G): that of the window to name, and the window's weeks."""
    largest = np.maximum(effects.max(axis=0), 0.0)
    changes = effects[1:] >= ENOUGH * largest
    window = np.where(changes.any(axis=0), 1 + changes.argmax(axis=0), 0)
    return np.take_along_axis(effects, window[None], axis=0)[0], np.array(WINDOW_WEEKS)[window]
