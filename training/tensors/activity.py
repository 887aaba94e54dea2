"""Which purchases count as activity? A sale that was undone within days does not, from the day on that shows it.

A customer's sales of day d are undone on the first day r from d to d + churn.undone_within_days by whose end his
refunds of d to r are above zero and at least his sales of d to r, to the cent. Up to the day before r they count as
activity, from the end of r on they do not: not for eligibility, not for labels, not for inputs. Refunds stay facts.
Where files come late, whether they count at the end of a day follows from what was known then (undone.py).

spark_jobs/cleaning/undone.py says the same as a Spark expression; its test holds both equal.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spark_jobs.contract.measures import ACTIVITY_MEASURES
from spark_jobs.contract.windows import ChurnDefinition
from training.tensors.rows import NEVER, SeriesRows

#: What the rule looks at, and what it takes from a day.
RULE_MEASURES = ("refund", "sale_count", "spend")
SALE_MEASURES = ("item_quantity", "sale_count", "spend")


def list_measures(churn: ChurnDefinition) -> tuple[str, ...]:
    """The measures that say who was active."""
    return RULE_MEASURES if churn.activity == "purchase" else (ACTIVITY_MEASURES[churn.activity],)


def find_undone_days(rows: SeriesRows, churn: ChurnDefinition) -> np.ndarray:
    """(entries,) int64: the day at whose end the entry's sales were undone; -NEVER where nothing did so.

    Each depends on the entries up to that day alone. rows: by day, with RULE_MEASURES where the activity is purchases.
    """
    undone = np.full(len(rows.day), -NEVER)
    if churn.activity != "purchase":
        return undone
    refund = _to_cents(rows.measures["refund"])
    net, refunds = np.cumsum(_to_cents(rows.measures["spend"]) - refund), np.cumsum(refund)
    net_before, refunds_before = (np.concatenate([[0], sums[:-1]]) if len(sums) else sums for sums in (net, refunds))
    gave_back = np.bincount(rows.row[refund > 0], minlength=rows.count) > 0
    entry = np.flatnonzero(gave_back[rows.row] & (rows.measures["sale_count"] > 0))
    for ahead in range(churn.undone_within_days + 1):
        entry = entry[entry + ahead < len(rows.day)]
        later = entry + ahead
        is_near = (rows.row[later] == rows.row[entry]) & (rows.day[later] <= rows.day[entry] + churn.undone_within_days)
        entry, later = entry[is_near], later[is_near]
        is_undone = (refunds[later] > refunds_before[entry]) & (net[later] <= net_before[entry])
        undone[entry[is_undone]] = rows.day[later[is_undone]]
        entry = entry[~is_undone]
    return undone


def _to_cents(money: np.ndarray) -> np.ndarray:
    return np.round(money * 100).astype(np.int64)


def leave_out(rows: SeriesRows, is_undone: np.ndarray) -> SeriesRows:
    """The rows without the sales of these entries (entries,)."""
    if not is_undone.any():
        return rows
    measures = {n: np.where(is_undone, 0.0, v) if n in SALE_MEASURES else v for n, v in rows.measures.items()}
    return replace(rows, measures=measures)
