"""A customer's probability without a piece of evidence, which is a group of inputs over the last weeks.

To remove evidence is to reset these inputs to their values before those weeks or, for a level, to typical values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from training.selection.fit import Candidate
    from training.tensors.dataset import TensorSpec

#: A number of weeks, or one for each customer.
Weeks = TypeVar("Weeks", int, np.ndarray)
#: The windows, in weeks, over which a group of inputs may have changed; 0 stands for its level.
WINDOW_WEEKS = (0, 1, 2, 3, 4, 6, 8, 13)
#: A level is removed from this many last weeks: earlier values have hardly any influence on the score.
LEVEL_WEEKS = max(WINDOW_WEEKS)


@dataclass(frozen=True)
class ScoredInputs:
    """Customers (B, T, F) with their probabilities, and the states from which it continues the predictions."""

    inputs: np.ndarray
    lengths: np.ndarray
    p: np.ndarray  # (B, H)
    horizon_index: int
    memory: object

    @classmethod
    def at(cls, candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray) -> ScoredInputs:
        """Scores the customers; effects of evidence refer to the primary horizon."""
        churn = candidate.spec.churn
        primary = churn.horizons_days.index(churn.primary_horizon_days)
        p, memory = candidate.predict_with_states(inputs, lengths, list_spans(candidate.spec))
        return cls(inputs, lengths, p, primary, memory)

    @property
    def present(self) -> np.ndarray:
        return self.p[:, self.horizon_index]

    def measure(self, candidate: Candidate, rows: np.ndarray, group: np.ndarray, weeks: np.ndarray) -> np.ndarray:
        """(P,) the effects of pieces of evidence, one for each of rows (P,), which may repeat customers."""
        spec = candidate.spec
        tails, lengths = _cut_tails(self.inputs, self.lengths, rows, list_spans(spec)[-1] + 1)
        without = remove_evidence(candidate, tails, lengths, group, weeks)
        p = candidate.predict_tails(self.memory, rows, without, lengths, find_spans(spec, weeks))
        return self.present[rows] - p[:, self.horizon_index]


def find_spans(spec: TensorSpec, weeks: np.ndarray) -> np.ndarray:
    """(P,) the number of last steps that evidence of these weeks covers."""
    return count_steps(np.where(weeks > 0, weeks, LEVEL_WEEKS), spec)


def list_spans(spec: TensorSpec) -> tuple[int, ...]:
    """All numbers of last steps that evidence may cover, ascending."""
    return tuple(count_steps(weeks, spec) for weeks in WINDOW_WEEKS if weeks)


def _cut_tails(inputs: np.ndarray, lengths: np.ndarray, rows: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The last steps (P, most, F) of these rows, and how many of them are valid (P,)."""
    own = np.minimum(lengths[rows], most)
    steps = (lengths[rows] - own)[:, None] + np.arange(most)
    return inputs[rows[:, None], np.minimum(steps, inputs.shape[1] - 1)], own


def list_groups(spec: TensorSpec) -> list[str]:
    return list(dict.fromkeys(feature.group for feature in spec.features))


def count_steps(weeks: Weeks, spec: TensorSpec) -> Weeks:
    """The number of steps that cover the last `weeks`."""
    return -(-weeks * 7 // spec.step_days)


def look_back(candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray, weeks: np.ndarray) -> np.ndarray:
    """(B, F) the inputs before the last weeks; typical values for 0 weeks and if the customer was not known yet."""
    step = lengths - 1 - count_steps(weeks, candidate.spec)
    is_known = (weeks > 0) & (step >= 0)
    before = inputs[np.arange(len(inputs)), np.maximum(step, 0)]
    return np.where(is_known[:, None], before, candidate.typical.astype(inputs.dtype))


def remove_evidence(
    candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray, group: np.ndarray, weeks: np.ndarray
) -> np.ndarray:
    """The inputs (B, T, F) without one piece of evidence each: group (B,) as an index into list_groups, weeks (B,)."""
    groups = list_groups(candidate.spec)
    is_own = np.array([groups.index(feature.group) for feature in candidate.spec.features]) == group[:, None]
    is_late = np.arange(inputs.shape[1]) >= (lengths - find_spans(candidate.spec, weeks))[:, None]
    before = look_back(candidate, inputs, lengths, weeks)
    return np.where(is_late[:, :, None] & is_own[:, None, :], before[:, None, :], inputs)
