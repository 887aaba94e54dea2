"""Compares inputs, scores and labels of a night with those of the training; pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from training.monitoring.findings import BLOCK, OK, RETRAIN, WARN, Finding
from training.monitoring.thresholds import FEWEST_CUSTOMERS, LIMITS, chance_level
from training.selection.discrimination import expect_auroc

#: A warning if at least this share of customers is in one band, and if the AUROC expected from the probabilities
#: themselves is below this.
SHARE_OF_BAND = 0.95
WEAKEST_AUROC = 0.6


def measure_psi(reference: np.ndarray, current: np.ndarray, members: int = 1) -> tuple[float, float]:
    """The population stability index over deciles of the reference, and its upper bound under chance alone.

    members: the number of tests in the family, among which the error rate is shared. For two samples of one population
    the index is distributed about as (1 / n + 1 / m) times chi-square, with one degree of freedom less than bins.
    """
    edges = np.unique(np.quantile(reference, np.arange(1, 10) / 10))
    bins = len(edges) + 1
    was, is_now = (
        (np.bincount(np.searchsorted(edges, values, side="left"), minlength=bins) + 0.5) / (len(values) + 0.5 * bins)
        for values in (reference, current)
    )
    chance = _chi_square(bins - 1, 1 - chance_level(members)) * (1 / len(reference) + 1 / len(current))
    return float(np.sum((is_now - was) * np.log(is_now / was))), float(chance)


def check_inputs(
    reference: Mapping[str, np.ndarray], current: Mapping[str, np.ndarray], growing: Collection[str] = ()
) -> list[Finding]:
    """Compares every model input of tonight's customers (current) with the training data (reference), and counts them.

    growing: inputs that are shown but not compared, because they grow with the calendar (features.Feature.grows).
    """
    compared = [name for name in current if name not in growing]
    findings = []
    for name in current:
        means = float(current[name].mean()), float(reference[name].mean())
        if name in growing:
            findings.append(Finding("inputs", name, *means, None, OK, "grows with time, so it is not compared"))
            continue
        psi, chance = measure_psi(reference[name], current[name], len(compared))
        action = WARN if psi > max(LIMITS.psi_warn, chance) else OK
        findings.append(Finding("inputs", name, *means, psi, action, f"stability index {psi:.3f}"))
    share = sum(f.action != OK for f in findings) / max(1, len(compared))
    action = RETRAIN if share >= LIMITS.inputs_share_retrain else OK
    text = f"{share:.0%} of the inputs are distributed differently than in training"
    return [*findings, Finding("inputs", "all inputs", share, None, share, action, text)]


def check_bands(current: np.ndarray, bands: np.ndarray) -> Finding:
    """Checks whether tonight's probabilities (n,) and bands (n,) discriminate between customers."""
    names, counts = np.unique(bands, return_counts=True)
    band, share = names[counts.argmax()], float(counts.max() / len(bands))
    auroc = expect_auroc(current)
    is_flat = len(current) >= FEWEST_CUSTOMERS and share >= SHARE_OF_BAND and auroc < WEAKEST_AUROC
    text = f"{share:.0%} of {len(current):,} customers are in band {band}"
    if is_flat:
        low, high = np.quantile(current, [0.05, 0.95])
        text += (f", nine tenths of the probabilities lie between {low:.3f} and {high:.3f}: these scores hardly tell "
                 f"customers apart (AUROC {auroc:.2f} at best), so use them to count, not to choose; "
                 "python -m spark_jobs.check says which horizons would")  # fmt: skip
    return Finding("scores", "bands", share, None, auroc, WARN if is_flat else OK, text)


def check_scores(
    current: np.ndarray, reference: np.ndarray | None, horizon_days: int, is_constant: bool = False
) -> Finding:
    """Compares tonight's probabilities with those of the first night that the same model scored.

    is_constant: the model is the constant rate, so equal probabilities are no fault.
    """
    subject, mean = f"{horizon_days} days", float(current.mean())
    if len(current) >= FEWEST_CUSTOMERS and np.ptp(current) < 1e-9 and not is_constant:
        return Finding("scores", subject, mean, None, None, BLOCK, f"everybody has the probability {mean:.3f}")
    if reference is None:
        return Finding("scores", subject, mean, None, None, OK, f"mean {mean:.3f}, the model's first night")
    psi, chance = measure_psi(reference, current)
    action = RETRAIN if psi > max(LIMITS.psi_warn, chance) else OK
    text = f"mean {mean:.3f}, on the model's first night {reference.mean():.3f}; stability index {psi:.3f}"
    return Finding("scores", subject, mean, float(reference.mean()), psi, action, text)


def check_labels(outcome: Mapping[str, Any], members: int = 1) -> Finding:
    """Compares churn with the prediction. outcome: the newest row of a horizon. members: the number of horizons."""
    subject = f"{outcome['horizon_days']} days"
    if not outcome["n"]:
        return Finding("labels", subject, None, None, None, OK, "nobody was judged")
    rate, predicted, n = outcome["churn_rate"], outcome["predicted_rate"], outcome["n"]
    gap = rate - predicted
    is_chance = gap**2 <= _chi_square(1, 1 - chance_level(members)) * predicted * (1 - predicted) / n
    is_large, is_very_large = abs(gap) > LIMITS.labels_warn, abs(gap) > LIMITS.labels_retrain
    action = OK if is_chance else RETRAIN if is_very_large else WARN if is_large else OK
    text = f"of the customers scored on {outcome['as_of']} {rate:.1%} churned, predicted were {predicted:.1%}"
    return Finding("labels", subject, rate, predicted, gap, action, text)


def _chi_square(degrees: int, probability: float) -> float:
    """The value that is exceeded with this probability."""
    from scipy.special import chdtri  # takes a third of a second, and a night that was checked before needs none

    return chdtri(degrees, probability)
