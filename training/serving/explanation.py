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

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from spark_jobs.contract.reason_words import BASE_RATE

if TYPE_CHECKING:
    from training.selection.fit import Candidate
    from training.tensors.dataset import Tensors, TensorSpec

#: A number of weeks, or one for each customer.
Weeks = TypeVar("Weeks", int, np.ndarray)

MOST_REASONS = 3
#: Since when a group may have changed, in weeks; 0 is the level.
WINDOW_WEEKS = (0, 1, 2, 3, 4, 6, 8, 13)
#: A level is removed from so many last weeks: what was longer ago moves no score by itself.
LEVEL_WEEKS = max(WINDOW_WEEKS)
#: What is a level by its nature: to be one week older is no change.
LEVELS = ("recency", "tenure", "breadth")
#: A change is named before a level, and a shorter window before a longer, where it has this share of the effect.
ENOUGH = 0.8
#: Effects below this are rounding of 32-bit arithmetic.
SMALLEST_EFFECT = 1e-4
SAMPLE_CUSTOMERS = 1000
#: A further reason is looked at where it promises this share of the effect of the first.
WORTH_TELLING = 0.1
#: A window that fewer of them have lived through is never named.
FEWEST_CUSTOMERS = 50
#: Ridge penalty per customer: inputs that say nearly the same share the weight.
PENALTY = 0.01


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
    effect, weeks = _choose_windows(_guess_effects(candidate, inputs, lengths, present))
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


@dataclass(frozen=True)
class ScoredInputs:
    """Customers (B, T, F) with the probability of one horizon, and what the candidate remembers of them."""

    inputs: np.ndarray
    lengths: np.ndarray
    p: np.ndarray  # (B, H)
    horizon_index: int
    memory: object

    @classmethod
    def at(cls, candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray) -> ScoredInputs:
        """Scores them; reasons are those of the primary horizon."""
        churn = candidate.spec.churn
        primary = churn.horizons_days.index(churn.primary_horizon_days)
        p, memory = candidate.remember(inputs, lengths, list_spans(candidate.spec))
        return cls(inputs, lengths, p, primary, memory)

    @property
    def present(self) -> np.ndarray:
        return self.p[:, self.horizon_index]

    def measure(self, candidate: Candidate, rows: np.ndarray, group: np.ndarray, weeks: np.ndarray) -> np.ndarray:
        """(P,) the effects of evidence, one piece for each of rows (P,), which may occur again."""
        spec = candidate.spec
        tails, lengths = _cut_tails(self.inputs, self.lengths, rows, list_spans(spec)[-1] + 1)
        without = remove_evidence(candidate, tails, lengths, group, weeks)
        p = candidate.predict_tails(self.memory, rows, without, lengths, find_spans(spec, weeks))
        return self.present[rows] - p[:, self.horizon_index]


def find_spans(spec: TensorSpec, weeks: np.ndarray) -> np.ndarray:
    """(P,) the last steps in which evidence of so many weeks lies."""
    return _count_steps(np.where(weeks > 0, weeks, LEVEL_WEEKS), spec)


def list_spans(spec: TensorSpec) -> tuple[int, ...]:
    """In how many last steps evidence may lie, ascending."""
    return tuple(_count_steps(weeks, spec) for weeks in WINDOW_WEEKS if weeks)


def _cut_tails(inputs: np.ndarray, lengths: np.ndarray, rows: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The last steps (P, most, F) of these rows, and how many of them each has (P,)."""
    own = np.minimum(lengths[rows], most)
    steps = (lengths[rows] - own)[:, None] + np.arange(most)
    return inputs[rows[:, None], np.minimum(steps, inputs.shape[1] - 1)], own


def _order(group: np.ndarray, weeks: np.ndarray, effect: np.ndarray) -> Reasons:
    """By effect, those that raise the risk only."""
    effect = np.where(effect >= SMALLEST_EFFECT, effect, np.nan)
    order = np.argsort(-effect, axis=1, kind="stable")  # NaN goes last
    group, weeks, effect = (np.take_along_axis(values, order, axis=1) for values in (group, weeks, effect))
    return Reasons(group, weeks, effect).only(~np.isnan(effect))


def list_groups(spec: TensorSpec) -> list[str]:
    return list(dict.fromkeys(feature.group for feature in spec.features))


def _choose_windows(effects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of effects (W, B, G), for each customer and group (B, G): that of the window to name, and the window's weeks."""
    largest = np.maximum(effects.max(axis=0), 0.0)
    changes = effects[1:] >= ENOUGH * largest
    window = np.where(changes.any(axis=0), 1 + changes.argmax(axis=0), 0)
    return np.take_along_axis(effects, window[None], axis=0)[0], np.array(WINDOW_WEEKS)[window]


def _guess_effects(candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray, present: np.ndarray) -> np.ndarray:
    """(W, B, G) what the candidate has learned to expect; -inf for a window that began before the customer."""
    return np.stack([
        np.where(
            _count_steps(weeks, candidate.spec) < lengths[:, None],
            _describe(candidate, inputs, lengths, present, weeks) @ learned[1:] + learned[0],
            -np.inf,
        )
        for weeks, learned in zip(WINDOW_WEEKS, candidate.kept_evidence(), strict=True)
    ])  # fmt: skip


def _describe(
    candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray, present: np.ndarray, weeks: int
) -> np.ndarray:
    """(B, 2 + 2F) what an effect is guessed from: the probability, the inputs now and those before the window."""
    now = inputs[np.arange(len(inputs)), lengths - 1]
    before = _look_back(candidate, inputs, lengths, np.full(len(inputs), weeks))
    return np.column_stack([present, present * (1 - present), now, before])


def _count_steps(weeks: Weeks, spec: TensorSpec) -> Weeks:
    """Steps that hold the last `weeks`."""
    return -(-weeks * 7 // spec.step_days)


def _look_back(candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray, weeks: np.ndarray) -> np.ndarray:
    """(B, F) the inputs before the last weeks; what is typical where there was no customer yet, and for 0 weeks."""
    step = lengths - 1 - _count_steps(weeks, candidate.spec)
    is_known = (weeks > 0) & (step >= 0)
    before = inputs[np.arange(len(inputs)), np.maximum(step, 0)]
    return np.where(is_known[:, None], before, candidate.typical.astype(inputs.dtype))


def remove_evidence(
    candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray, group: np.ndarray, weeks: np.ndarray
) -> np.ndarray:
    """The inputs (B, T, F) without one piece of evidence each: group (B,) by its place in list_groups, weeks (B,)."""
    groups = list_groups(candidate.spec)
    is_own = np.array([groups.index(feature.group) for feature in candidate.spec.features]) == group[:, None]
    is_late = np.arange(inputs.shape[1]) >= (lengths - find_spans(candidate.spec, weeks))[:, None]
    before = _look_back(candidate, inputs, lengths, weeks)
    return np.where(is_late[:, :, None] & is_own[:, None, :], before[:, None, :], inputs)


def learn_evidence(candidate: Candidate, batches: Iterable[Tensors]) -> np.ndarray:
    """(W, 3 + 2F, G) float32, what guesses effects on the primary horizon: of every window a line, its intercept first.

    Learned from the first SAMPLE_CUSTOMERS of the batches, which are all of one width, who would be scored.
    """
    sample = ScoredInputs.at(candidate, *_take_sample(batches, candidate.spec.churn.eligible_within_days))
    groups = list_groups(candidate.spec)
    learned = np.zeros((len(WINDOW_WEEKS), 3 + 2 * sample.inputs.shape[2], len(groups)), np.float32)
    for line, weeks in zip(learned, WINDOW_WEEKS, strict=True):
        lived = np.flatnonzero(_count_steps(weeks, candidate.spec) < sample.lengths)
        line[0] = -1.0  # lower than any effect, where nothing can be learned
        if len(lived) < FEWEST_CUSTOMERS:
            continue
        effects = np.full((len(lived), len(groups)), -1.0)
        for number, group in enumerate(groups):
            if not (weeks and group in LEVELS):
                chosen = np.full(len(lived), number), np.full(len(lived), weeks)
                effects[:, number] = sample.measure(candidate, lived, *chosen)
        own = sample.inputs[lived], sample.lengths[lived], sample.present[lived]
        line[:] = _fit_lines(_describe(candidate, *own, weeks), effects)
    return learned


def _take_sample(batches: Iterable[Tensors], eligible_within_days: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and lengths of the first who would be scored."""
    inputs, lengths = [], []
    for tensors in batches:
        rows = np.flatnonzero(tensors.last(tensors.quiet_days) < eligible_within_days)
        inputs.append(tensors.inputs[rows])
        lengths.append(tensors.lengths[rows])
        if sum(map(len, lengths)) >= SAMPLE_CUSTOMERS:
            break
    return np.concatenate(inputs)[:SAMPLE_CUSTOMERS], np.concatenate(lengths)[:SAMPLE_CUSTOMERS]


def _fit_lines(described: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """(1 + width, G) of ridge regressions on standardised columns, written for the columns as they are."""
    scaler = StandardScaler().fit(described)
    lines = Ridge(alpha=PENALTY * len(described)).fit(scaler.transform(described), effects)
    slopes = lines.coef_.T / scaler.scale_[:, None]
    return np.vstack([lines.intercept_ - scaler.mean_ @ slopes, slopes])
