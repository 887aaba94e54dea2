"""Why is this customer at risk? The group of inputs without which the risk would be lowest.

Exact occlusion: a group's inputs are set to their typical value at every step and the customer is scored again. It
needs nothing but the candidate's predict, so it works for every kind.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from training.fit import Candidate

#: Effects below this are rounding of 32-bit arithmetic.
SMALLEST_EFFECT = 1e-4


class Reasons(NamedTuple):
    """group (B,) object, None where no group raises the risk; effect (B,) float64, NaN there."""

    group: np.ndarray
    effect: np.ndarray


def find_reasons(candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray, horizon_index: int) -> Reasons:
    """The group whose occlusion lowers the probability of this horizon most, and by how much."""
    groups = list(dict.fromkeys(feature.group for feature in candidate.spec.features))
    present = candidate.predict(inputs, lengths)[:, horizon_index]
    effects = np.stack(
        [present - _occlude(candidate, inputs, lengths, group)[:, horizon_index] for group in groups], axis=1
    )
    best = effects.argmax(axis=1)
    effect = effects[np.arange(len(best)), best]
    is_reason = effect >= SMALLEST_EFFECT
    names = np.array(groups, dtype=object)[best]
    return Reasons(np.where(is_reason, names, None), np.where(is_reason, effect, np.nan))


def _occlude(candidate: Candidate, inputs: np.ndarray, lengths: np.ndarray, group: str) -> np.ndarray:
    """(B, H) probabilities with the group's inputs at their typical value."""
    columns = [n for n, feature in enumerate(candidate.spec.features) if feature.group == group]
    occluded = inputs.copy()
    occluded[..., columns] = candidate.typical[columns].astype(inputs.dtype)
    return candidate.predict(occluded, lengths)
