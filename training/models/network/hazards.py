"""Discrete-time survival: the days after a step are cut into intervals, each with a hazard and a label.

A hazard is the probability of activity in an interval, given that there was none in the earlier intervals. The
probability of churn follows: P(no activity within H) is the product of (1 - hazard) over the intervals up to H, so it
cannot rise with H.

Each interval has its own label, so a step is used for training as soon as its first interval has passed, long before
the horizons have. (Censored likelihood: J. D. Singer and J. B. Willett, 1993.)
"""

from __future__ import annotations

import numpy as np

from training.tensors.dataset import Tensors


def cut_intervals(horizons_days: tuple[int, ...], longest_days: int) -> tuple[int, ...]:
    """The last day of every interval, counted from the step's end. Every horizon ends an interval, and no interval is
    longer than longest_days."""
    ends, begin = [], 0
    for horizon in horizons_days:
        pieces = -(-(horizon - begin) // longest_days)
        ends += [begin + (horizon - begin) * (n + 1) // pieces for n in range(pieces)]
        begin = horizon
    return tuple(ends)


def label_intervals(tensors: Tensors, ends: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(customers, steps, intervals) float32, twice: 1 if the interval has activity, and 1 if the interval is used.

    It is used if the customer was eligible at the step, had no activity before the interval, and all its days are
    known. An interval that has not ended is not used even if it has activity already: using only those would bias every
    hazard upwards.
    """
    last = np.array(ends, np.float32)
    first = np.array((0, *ends[:-1]), np.float32)
    upcoming, known = tensors.upcoming_days[..., None], tensors.known_days[..., None]
    is_known = (upcoming > first) & (known >= last)
    return (is_known & (upcoming <= last)).astype(np.float32), is_known.astype(np.float32)
