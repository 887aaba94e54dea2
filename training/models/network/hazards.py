"""When does the next activity come? The days after a step, cut into intervals, and what each of them tells.

A hazard is the probability of activity in an interval if there was none in those before it. What the shop asks for
follows: P(no activity within H) is the product of (1 - hazard) over the intervals up to H, so it cannot rise with H.

Each interval is an outcome of its own, so a step teaches from the first interval that has passed, long before its
horizons have. (Discrete-time survival with a censored likelihood: J. D. Singer and J. B. Willett, 1993.)
"""

from __future__ import annotations

import numpy as np

from training.tensors.dataset import Tensors


def cut_intervals(horizons_days: tuple[int, ...], longest_days: int) -> tuple[int, ...]:
    """The last day of every interval, counted from the step's end: every horizon ends one, none is longer than this."""
    ends, begin = [], 0
    for horizon in horizons_days:
        pieces = -(-(horizon - begin) // longest_days)
        ends += [begin + (horizon - begin) * (n + 1) // pieces for n in range(pieces)]
        begin = horizon
    return tuple(ends)


def label_intervals(tensors: Tensors, ends: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(customers, steps, intervals) float32, twice: 1 = activity came in the interval, and 1 = the interval teaches.

    It teaches if the customer was eligible at the step, had not come back before it, and all its days are known. An
    interval that is still running does not, though an activity may have come already: counting only those that came
    would make every hazard too high.
    """
    last = np.array(ends, np.float32)
    first = np.array((0, *ends[:-1]), np.float32)
    upcoming, known = tensors.upcoming_days[..., None], tensors.known_days[..., None]
    teaches = (upcoming > first) & (known >= last)
    return (teaches & (upcoming <= last)).astype(np.float32), teaches.astype(np.float32)
