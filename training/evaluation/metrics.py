"""Metrics, calibration bins and paired bootstraps on arrays.

`outcome` (n,) is 1.0 for churned and 0.0 for stayed, `p` (n,) the probability of churn. Ties are handled so that no
result depends on the order of the rows. A metric that is undefined for a sample (only one class) is None, never 0.
Bootstrap draws are seeded and computed as matrices, with a bounded number of draws in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SMALLEST_PROBABILITY = 1e-7
BIN_COUNT = 10
DRAWS = 1000
LEVEL = 0.95
SEED = 0
_VALUES_PER_CHUNK = 4_000_000


@dataclass(frozen=True)
class Comparison:
    """Candidate minus contender on the same customers; intervals are paired bootstraps over customers."""

    log_loss_difference: float
    log_loss_interval: tuple[float, float]
    auroc_difference: float | None
    auroc_interval: tuple[float, float] | None


def log_losses(outcome: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(n,) the log loss of each customer, probabilities clipped to [1e-7, 1 - 1e-7]."""
    clipped = np.clip(p, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return -np.where(outcome == 1, np.log(clipped), np.log1p(-clipped))


def none_if_undefined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def average_precision(outcome: np.ndarray, p: np.ndarray) -> float | None:
    """Area under the precision-recall curve as a step function, as scikit-learn's average_precision_score."""
    hits, chosen = count_hits(outcome, p)
    if not len(hits) or hits[-1] == 0:
        return None
    return float(np.sum(np.diff(hits, prepend=0.0) * hits / chosen) / hits[-1])


def count_hits(outcome: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative numbers of churners and of customers in descending order of p, after each group of equal p."""
    order = np.argsort(-p, kind="stable")
    last_of_group = np.flatnonzero(np.diff(p[order], append=-np.inf) if len(p) else p)
    return np.cumsum(outcome[order])[last_of_group], last_of_group + 1.0


def lift(outcome: np.ndarray, p: np.ndarray, share: float) -> float | None:
    """Churn rate of the given share with the highest p over that of all; ties count as drawn at random."""
    hits, chosen = count_hits(outcome, p)
    if not len(hits) or hits[-1] == 0:
        return None
    depth = np.ceil(share * len(p) - 1e-9)
    found = np.interp(depth, np.concatenate([[0.0], chosen]), np.concatenate([[0.0], hits]))
    return float(found / depth / (hits[-1] / len(p)))


def wilson(rate: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of rates that were observed on n customers each (Wilson, JASA 22, 1927)."""
    z = 1.959964
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - half, middle + half


def half_interval(values: np.ndarray) -> float | None:
    """Half the width of the 95 % interval of the mean of values (n,)."""
    return float(1.959964 * values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def auroc_half_interval(outcome: np.ndarray, p: np.ndarray) -> float | None:
    """Half the width of the AUROC's 95 % interval (DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988)."""
    churned, stayed = p[outcome == 1], p[outcome == 0]
    if min(len(churned), len(stayed)) < 2:
        return None
    variance = sum(
        _share_below(group, others).var(ddof=1) / len(group) for group, others in ((churned, stayed), (stayed, churned))
    )
    return float(1.959964 * np.sqrt(variance))


def _share_below(group: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(len(group),) for each value of the group the share of `others` below it, ties counted half."""
    ordered = np.sort(others)
    below, up_to = (np.searchsorted(ordered, group, side) for side in ("left", "right"))
    return (below + up_to) / (2 * len(others))


class CalibrationBins:
    """Bins of equal size over probabilities p (n,); equal p share a bin, so the order of rows does not matter."""

    def __init__(self, p: np.ndarray, count: int = BIN_COUNT):
        self.order = np.argsort(p, kind="stable")
        self.p = p[self.order]
        cuts = self.p[np.arange(count) * len(p) // count] if len(p) else self.p
        self.starts = np.unique(np.searchsorted(self.p, cuts, side="left"))
        self.sizes = np.diff(self.starts, append=len(p))

    def means(self, values: np.ndarray) -> np.ndarray:
        """(k, bins) the mean of values (k, n) in each bin."""
        return np.add.reduceat(values[:, self.order], self.starts, axis=1) / self.sizes

    def error(self, outcome: np.ndarray) -> np.ndarray:
        """(k,) the expected calibration error: the mean of |mean p - churn rate| over bins, weighted by their size."""
        gaps = np.abs(self.means(outcome) - np.add.reduceat(self.p, self.starts) / self.sizes)
        return gaps @ self.sizes / len(self.p)

    def weighted_errors(self, outcome: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(k,) the same on bootstrap draws: weights (k, n) say how often each customer was drawn."""
        gaps = np.abs(np.add.reduceat(weights[:, self.order] * (outcome[self.order] - self.p), self.starts, axis=1))
        return gaps.sum(axis=1) / weights.sum(axis=1)

    def draw_means(self, draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
        """(draws, bins) the bins' churn rates on labels drawn from p, which is then perfectly calibrated."""
        rng = np.random.default_rng(seed)
        chunks = _split_draws(len(self.p), draws)
        sums = [np.add.reduceat(rng.random((k, len(self.p))) < self.p, self.starts, axis=1, dtype=float)
                for k in chunks]  # fmt: skip
        return np.concatenate(sums) / self.sizes

    def error_bound(self, draws: int = DRAWS, seed: int = SEED, level: float = LEVEL) -> float:
        """The quantile of the error on labels drawn from p, at this confidence level."""
        mean_p = np.add.reduceat(self.p, self.starts) / self.sizes
        errors = np.abs(self.draw_means(draws, seed) - mean_p) @ self.sizes / len(self.p)
        return float(np.percentile(errors, 100 * level))


class Ranking:
    """Sorts probabilities once, to compute the AUROC under many weightings of the customers."""

    def __init__(self, outcome: np.ndarray, p: np.ndarray):
        self.order = np.argsort(p, kind="stable")
        self.churned = outcome[self.order]
        self.starts = np.flatnonzero(np.diff(p[self.order], prepend=-np.inf)) if len(p) else np.array([], int)

    def auroc(self, weights: np.ndarray) -> np.ndarray:
        """(k,) for weights (k, n): the share of (churned, stayed) pairs in the right order, ties half; NaN if none."""
        if not len(self.order):
            return np.full(len(weights), np.nan)
        sorted_weights = weights[:, self.order]
        churned = np.add.reduceat(sorted_weights * self.churned, self.starts, axis=1)
        stayed = np.add.reduceat(sorted_weights * (1 - self.churned), self.starts, axis=1)
        right = (churned * (np.cumsum(stayed, axis=1) - stayed / 2)).sum(axis=1)
        pairs = churned.sum(axis=1) * stayed.sum(axis=1)
        return np.divide(right, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def compare(
    outcome: np.ndarray, p: np.ndarray, contender_p: np.ndarray, draws: int = DRAWS, seed: int = SEED,
    level: float = LEVEL,
) -> Comparison:  # fmt: skip
    """Compares a candidate's probabilities with a contender's on the same n > 0 customers, all (n,)."""
    difference = log_losses(outcome, p) - log_losses(outcome, contender_p)
    rankings = Ranking(outcome, p), Ranking(outcome, contender_p)

    def auroc_difference(weights: np.ndarray) -> np.ndarray:
        return rankings[0].auroc(weights) - rankings[1].auroc(weights)

    losses, aurocs = [], []
    for weights in draw_weights(len(outcome), draws, seed):
        losses.append(weights @ difference / len(outcome))
        aurocs.append(auroc_difference(weights))
    auroc = none_if_undefined(auroc_difference(np.ones((1, len(outcome))))[0])
    return Comparison(
        float(difference.mean()),
        _interval(np.concatenate(losses), level),
        auroc,
        None if auroc is None else _interval(np.concatenate(aurocs), level),
    )


def compare_calibration(
    outcome: np.ndarray, p: np.ndarray, contender_p: np.ndarray, draws: int = DRAWS, seed: int = SEED,
    level: float = LEVEL,
) -> tuple[float, float]:  # fmt: skip
    """The interval of the candidate's calibration error minus the contender's, a paired bootstrap over customers."""
    bins, contender_bins = CalibrationBins(p), CalibrationBins(contender_p)
    differences = [
        bins.weighted_errors(outcome, weights) - contender_bins.weighted_errors(outcome, weights)
        for weights in draw_weights(len(outcome), draws, seed)
    ]
    return _interval(np.concatenate(differences), level)


def compare_levels(
    outcome: np.ndarray, p: np.ndarray, contender_p: np.ndarray, draws: int = DRAWS, seed: int = SEED,
    level: float = LEVEL,
) -> tuple[float, float]:  # fmt: skip
    """The interval of the candidate's |expected - churned| minus the contender's, a paired bootstrap over customers."""
    differences = [
        np.abs(weights @ (p - outcome)) - np.abs(weights @ (contender_p - outcome))
        for weights in draw_weights(len(outcome), draws, seed)
    ]
    return _interval(np.concatenate(differences) / len(outcome), level)


def bootstrap_mean(
    values: np.ndarray, unit: np.ndarray, draws: int = DRAWS, seed: int = SEED
) -> tuple[float, tuple[float, float]]:
    """The mean of values (n,) and its cluster bootstrap interval: values of one unit (n,), a customer, are drawn
    together."""
    _, place = np.unique(unit, return_inverse=True)
    sums, counts = np.bincount(place, values), np.bincount(place)
    means = [(weights @ sums) / (weights @ counts) for weights in draw_weights(len(sums), draws, seed)]
    return float(np.mean(values)), _interval(np.concatenate(means))


def _interval(draws: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """The central interval of the draws. NaN, from draws without an AUROC because of a single class, is ignored."""
    low, high = np.nanpercentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def _split_draws(n: int, draws: int) -> Iterator[int]:
    """Splits the draws into chunks that fit into memory; yields the size of each."""
    size = max(1, _VALUES_PER_CHUNK // max(1, n))
    for first in range(0, draws, size):
        yield min(size, draws - first)


def draw_weights(n: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Bootstrap draws of n customers, in chunks (k, n): how often each was drawn."""
    rng = np.random.default_rng(seed)
    for k in _split_draws(n, draws):
        drawn = rng.integers(0, n, size=(k, n)) + n * np.arange(k)[:, None]
        yield np.bincount(drawn.ravel(), minlength=k * n).reshape(k, n).astype(float)
