"""When is a difference large enough to act on? The checks behind drift.py, pure, and every threshold in one place.

Block is for what must be a broken delivery: most records of a day missing, numbers in another unit, one score for all.
Nothing that a real open day does may block; all else warns or asks for a new model. `python -m infra.bench.drift`
counts both on a shop's own days.

A quiet shop gets at most one false warning in NIGHTS_PER_FALSE_ALARM nights. That allowance is shared by the families
of checks, and within a family by its members (Bonferroni): each of m inputs has 1 / (4 * m) of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.model import Shop
from training.selection.discrimination import expect_auroc

OK, WARN, RETRAIN, BLOCK = "ok", "warn", "retrain", "block"


@dataclass(frozen=True)
class Thresholds:
    """Ratios are to what is usual, and of volume_block to the lowest of the usual weekdays. A volume that asks for
    an action also lies volume_spreads away: to block, of chance alone; to warn, of the usual weekdays too. A value that
    does lies values_spreads away, of what moved the days before."""

    volume_block: float = 0.5
    volume_warn: float = 0.75
    volume_high_warn: float = 2.0
    volume_spreads: float = 4.0
    volume_holiday: float = 0.3
    values_block: float = 10.0
    values_warn: float = 3.0
    values_spreads: float = 4.0
    largest_warn: float = 10.0
    refunds_warn: float = 0.01
    eligible_block: float = 0.5
    eligible_warn: float = 0.8
    psi_warn: float = 0.25  # the usual rule: below 0.1 nothing, above 0.25 another population
    inputs_share_retrain: float = 0.2
    labels_warn: float = 0.05
    labels_retrain: float = 0.1


LIMITS = Thresholds()
#: The logs that say whether the shop was quiet.
DAILY_LOGS = tuple(name for name, log in LOGS.items() if log.is_daily)
USUAL_WEEKS = 8
FEWEST_WEEKS = 4
USUAL_DAYS = 28
#: A log that is delivered later than so many days after the events has a volume that nothing tells in time.
LONGEST_DELAY = 7
#: Fewer customers than this have no median and no number of records worth comparing.
FEWEST_CUSTOMERS = 8
#: The lines of one customer scatter about as much as their mean, which doubles the variance of a day's records.
LINES_SCATTER = 2**0.5
#: In so many nights of a shop in which nothing changes one may warn, by whatever check.
NIGHTS_PER_FALSE_ALARM = 90
#: Who shares that: records and values of the day, inputs, scores, labels.
FAMILIES = 4
#: Scores say little where so many customers share a band, and where even probabilities that are right would rank no
#: better than this.
SHARE_OF_BAND = 0.95
WEAKEST_AUROC = 0.6


def chance_level(members: int) -> float:
    """The confidence at which each of so many members of a family is tested."""
    return 1 - 1 / (NIGHTS_PER_FALSE_ALARM * FAMILIES * max(1, members))


@dataclass(frozen=True)
class Finding:
    """A row of contract.proof.DRIFT, less its day."""

    kind: str
    subject: str
    value: float | None
    expected: float | None
    distance: float | None
    action: str
    finding: str


def find_delay(first_told: pd.Series) -> int:
    """So many days after its events a log usually delivers a day: 0 for that evening, 1 for an export after midnight.

    first_told: by event day, the days until its first records were delivered.
    """
    told = first_told[first_told.between(0, LONGEST_DELAY)]
    return int(told.median()) if len(told) else 0


def check_volume(by_day: pd.DataFrame, log: str, shop: Shop, as_of: date) -> Finding:
    """by_day: `records` of the log and the `customers` they are of, by event day, as far as known equally soon. The day
    is compared with the same weekday of the last weeks, closed days aside. Chance is that of so many customers: the
    records of one come together."""
    counts = by_day["records"]
    weeks = [as_of - timedelta(weeks=n) for n in range(1, USUAL_WEEKS + 1)]
    first = min(counts.index, default=as_of)
    weeks = [day for day in weeks if day >= first and not shop.is_closed(day)]
    usual, people = (np.array([by_day[name].get(day, 0) for day in weeks], float) for name in ("records", "customers"))
    value = float(counts.get(as_of, 0))
    if shop.is_closed(as_of) or len(usual) < FEWEST_WEEKS or not (expected := float(np.median(usual))):
        return Finding("volume", log, value, None, None, OK, f"{value:,.0f} records, nothing to compare with")
    chance = expected * max(float(np.median(people)), 1.0) ** -0.5
    spread = max(1.4826 * float(np.median(np.abs(usual - expected))), LINES_SCATTER * chance)
    ratio, apart = value / expected, abs(value - expected)
    is_broken = value < LIMITS.volume_block * usual.min() and apart > LIMITS.volume_spreads * chance
    is_unusual = np.median(people) >= FEWEST_CUSTOMERS and not LIMITS.volume_warn <= ratio <= LIMITS.volume_high_warn
    action = BLOCK if is_broken else WARN if is_unusual and apart > LIMITS.volume_spreads * spread else OK
    text = f"{value:,.0f} records, usual for the weekday are {expected:,.0f}"
    return Finding("volume", log, value, expected, ratio, action, text)


def excuse_quiet_day(findings: list[Finding], whole_logs: Collection[str]) -> list[Finding]:
    """The volumes of the logs, those of a holiday that nobody listed with a warning instead of a block.

    A broken delivery hits a file, a holiday hits the shop. So a log whose files of the day are there and whole does not
    block where all daily logs are low together; where only one can be compared, where it is so low as half a file
    hardly is. whole_logs: those whose files were delivered and read to their end.
    """
    told = [(f.subject, f.distance) for f in findings if f.subject in DAILY_LOGS and f.distance is not None]
    limit = LIMITS.volume_warn if len(told) > 1 else LIMITS.volume_holiday
    is_quiet = bool(told) and all(distance < limit and log in whole_logs for log, distance in told)
    text = "; its files are whole and all logs are low: a holiday? Then list it under closed_days"
    return [
        replace(f, action=WARN, finding=f.finding + text)
        if f.action == BLOCK and is_quiet and f.subject in whole_logs else f
        for f in findings
    ]  # fmt: skip


def check_values(medians: pd.DataFrame, subject: str, as_of: date) -> Finding:
    """medians: by event day, `median` over the customers of the day and their `count`. Chance is what moved the
    logarithm of the median on the days before."""
    before = medians[(medians.index < as_of) & (medians.index >= as_of - timedelta(days=USUAL_DAYS))]
    days = before[before["count"] >= FEWEST_CUSTOMERS]
    count = medians["count"].get(as_of, 0)
    expected = float(days["median"].median()) if len(days) else 0.0
    if count < FEWEST_CUSTOMERS or expected <= 0:
        return Finding("values", subject, None, None, None, OK, "too few customers to compare")
    value = float(medians["median"][as_of])
    ratio = value / expected
    apart = max(ratio, 1 / ratio) if ratio > 0 else np.inf
    is_chance = apart <= np.exp(LIMITS.values_spreads * _measure_scatter(days, count))
    action = OK if is_chance else BLOCK if apart > LIMITS.values_block else WARN if apart > LIMITS.values_warn else OK
    text = f"median {value:,.2f}, before it was {expected:,.2f}"
    return Finding("values", subject, value, expected, ratio, action, text)


def _measure_scatter(days: pd.DataFrame, count: float) -> float:
    """How far chance moves the logarithm of the median of so many customers; days as in check_values."""
    paid = days[days["median"] > 0]
    logs = np.log(paid["median"].to_numpy())
    spread = 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
    return spread * float(np.sqrt(max(1.0, paid["count"].median() / count)))


def check_largest(
    subject: str, customer: str | None, value: float, before: float, as_of: date, currency: str
) -> Finding:
    """The largest amount of one customer that day, beside the largest of the weeks before; medians never see it."""
    if customer is None or before <= 0:
        return Finding("values", subject, None, None, None, OK, "nothing to compare")
    ratio = value / before
    text = f"{value:,.2f} {currency} of customer {customer} on {as_of}, the weeks before had at most {before:,.2f}"
    action = WARN if ratio > LIMITS.largest_warn else OK
    return Finding("values", subject, value, before, ratio, action, text)


def check_refunds(customers: int, excess: float, paid: float, currency: str) -> Finding:
    """What customers got back beyond all that they ever paid: no sum of money counts it."""
    share = excess / paid if paid > 0 else 0.0
    text = (
        f"refunds of {customers:,} customers exceed all that they ever paid, by {excess:,.2f} {currency}: not counted"
    )
    action = WARN if share > LIMITS.refunds_warn else OK
    return Finding("values", "refunds beyond sales", excess, paid, share, action, text)


def check_eligible(count: int, before: int | None) -> Finding:
    """The customers to be scored, beside those of the night before."""
    if not before:
        return Finding("volume", "eligible customers", float(count), None, None, OK, f"{count:,}, no night before")
    ratio = count / before
    action = BLOCK if ratio < LIMITS.eligible_block else WARN if ratio < LIMITS.eligible_warn else OK
    text = f"{count:,} customers to score, the night before {before:,}"
    return Finding("volume", "eligible customers", float(count), float(before), ratio, action, text)


def measure_psi(reference: np.ndarray, current: np.ndarray, members: int = 1) -> tuple[float, float]:
    """The population stability index over the reference's tenths, and what chance alone keeps it below, as one of so
    many members of a family.

    Of two samples of one population it is about chi-square / n + chi-square / m, with a degree less than tenths.
    """
    edges = np.unique(np.quantile(reference, np.arange(1, 10) / 10))
    bins = len(edges) + 1
    was, is_now = (
        (np.bincount(np.searchsorted(edges, values, side="left"), minlength=bins) + 0.5) / (len(values) + 0.5 * bins)
        for values in (reference, current)
    )
    chance = chi2.ppf(chance_level(members), bins - 1) * (1 / len(reference) + 1 / len(current))
    return float(np.sum((is_now - was) * np.log(is_now / was))), float(chance)


def check_inputs(
    reference: Mapping[str, np.ndarray], current: Mapping[str, np.ndarray], growing: Collection[str] = ()
) -> list[Finding]:
    """Every model input, tonight's customers beside those that the model learned from; and all of them together.

    growing: the inputs that are told but not compared, for they grow with the calendar (features.Feature.grows).
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
    text = f"{share:.0%} of the inputs are spread otherwise than in training"
    return [*findings, Finding("inputs", "all inputs", share, None, share, action, text)]


def check_bands(current: np.ndarray, bands: np.ndarray) -> Finding:
    """Whether tonight's probabilities (n,) and bands (n,) tell customers apart, with what that means for their use."""
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
    """Tonight's probabilities beside those of the first night that the same model scored.

    is_constant: the model is the constant rate, of which one probability for all is no fault.
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
    """A row of outcomes, the newest of its horizon, of which there are so many: did as many churn as were predicted?"""
    subject = f"{outcome['horizon_days']} days"
    if not outcome["n"]:
        return Finding("labels", subject, None, None, None, OK, "nobody was judged")
    rate, predicted, n = outcome["churn_rate"], outcome["predicted_rate"], outcome["n"]
    gap = rate - predicted
    is_chance = gap**2 <= chi2.ppf(chance_level(members), 1) * predicted * (1 - predicted) / n
    is_large, is_very_large = abs(gap) > LIMITS.labels_warn, abs(gap) > LIMITS.labels_retrain
    action = OK if is_chance else RETRAIN if is_very_large else WARN if is_large else OK
    text = f"of the customers scored on {outcome['as_of']} {rate:.1%} churned, predicted were {predicted:.1%}"
    return Finding("labels", subject, rate, predicted, gap, action, text)
