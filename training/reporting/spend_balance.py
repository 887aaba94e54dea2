"""The ratio of expected to actual spend, over all days and by tenths of the customers, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from training.evaluation.metrics import DRAWS, SEED
from training.selection.balance import TENTHS


@dataclass(frozen=True)
class Judged:
    """The expected and the actual spend of customers (N,) after a day."""

    day: date
    expected: np.ndarray
    actual: np.ndarray
    customer_id: np.ndarray

    @property
    def ratio(self) -> float:
        return self.expected.sum() / self.actual.sum()

    def at_own_level(self) -> Judged:
        """The same with expected spend scaled to the day's actual sum."""
        return replace(self, expected=self.expected / self.ratio)


def find_tenths(expected: np.ndarray) -> np.ndarray:
    """(N,) the tenth of each customer by expected spend, 0 is the lowest."""
    tenth = np.empty(len(expected), int)
    for number, rows in enumerate(np.array_split(np.argsort(expected, kind="stable"), TENTHS)):
        tenth[rows] = number
    return tenth


def find_ratios(days: Sequence[Judged], group: np.ndarray) -> list[tuple[float, float, float]]:
    """The ratio of expected to actual spend of each group, and its 95 % interval.

    group: (N,) for the customers of all days, concatenated. Customers and days are both resampled with replacement
    (Owen 2007, the pigeonhole bootstrap).
    """
    expected, actual = (np.concatenate([getattr(day, name) for day in days]) for name in ("expected", "actual"))
    ids, customer = np.unique(np.concatenate([day.customer_id for day in days]), return_inverse=True)
    at = np.repeat(np.arange(len(days)), [len(day.actual) for day in days])
    generator, drawn = np.random.default_rng(SEED), []
    members = np.eye(group.max() + 1)[group]
    for _ in range(DRAWS):
        weight = np.bincount(generator.integers(0, len(ids), len(ids)), minlength=len(ids))[customer]
        weight = weight * np.bincount(generator.integers(0, len(days), len(days)), minlength=len(days))[at]
        with np.errstate(invalid="ignore"):  # NaN for a group without customers in this draw
            drawn.append((weight * expected) @ members / ((weight * actual) @ members))
    low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    return list(zip((expected @ members) / (actual @ members), low, high, strict=True))


def list_balance(stayers: Sequence[Judged], sales: dict[int, list[Judged]]) -> list[list[str]]:
    """Table rows: name, ratio by day, ratio over all days and its interval; the last two again with every day at its
    own level, which shows only how the regression distributes the sum."""
    by_day = [find_ratios([day], find_tenths(day.expected)) for day in stayers]
    tenth = find_tenths(np.concatenate([day.expected for day in stayers]))
    raw, levelled = find_ratios(stayers, tenth), find_ratios([day.at_own_level() for day in stayers], tenth)
    rows = [[f"tenth {n + 1}", *(f"{ratios[n][0]:.2f}" for ratios in by_day), *_write(raw[n]), *_write(levelled[n])]
            for n in range(TENTHS)]  # fmt: skip
    whole = {"those who stayed": stayers} | {f"everybody, {horizon} days": days for horizon, days in sales.items()}
    for name, days in whole.items():
        ratios = {day.day: f"{day.ratio:.2f}" for day in days}
        ratio = find_ratios(days, np.zeros(sum(len(day.actual) for day in days), int))[0]
        rows.append([name, *(ratios.get(day.day, "–") for day in stayers), *_write(ratio), "", ""])
    return rows


def _write(ratio: tuple[float, float, float]) -> tuple[str, str]:
    return f"{ratio[0]:.2f}", f"{ratio[1]:.2f} to {ratio[2]:.2f}"
