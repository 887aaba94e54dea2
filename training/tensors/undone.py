"""Finds the steps at whose end a sale counted as undone, by what was known then; activity.py has the rule. If
everything is known by the end of its step, an undone sale stays undone. A late record may undo a sale long after, or
add sales of the same days, so that it counts again. Therefore the rule is applied again at every step with late records
that may matter to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from spark_jobs.contract.windows import ChurnDefinition
from training.tensors.activity import find_undone_days, list_measures
from training.tensors.rows import NEVER, SeriesRows

#: The number of versions of customers that are computed at a time.
MOST_VERSIONS = 4096
#: More steps than any series has.
_MANY_STEPS = 2**24


@dataclass(frozen=True)
class Changes:
    """The steps from whose end on the sales of an entry are undone, or count again; all arrays (changes,), ordered by
    entry and then time. back: the number of steps before the last one."""

    entry: np.ndarray
    back: np.ndarray
    is_undone: np.ndarray

    def at(self, entry: np.ndarray, back: np.ndarray) -> np.ndarray:
        """(n,) bool: whether these entries (n,) were undone by the end of these steps (n,)."""
        place = np.searchsorted(_order(self.entry, self.back), _order(entry, back), side="right") - 1
        is_own = (place >= 0) & (self.entry[place] == entry) if len(self.entry) else np.zeros(len(entry), bool)
        return is_own & self.is_undone[place] if len(self.entry) else is_own


def _order(entry: np.ndarray, back: np.ndarray) -> np.ndarray:
    return (entry + 1) * _MANY_STEPS - back


def find_changes(rows: SeriesRows, churn: ChurnDefinition, last_day: int, step_days: int) -> Changes:
    """The changes for the parts of rows known by the end of last_day; rows have RULE_MEASURES if the activity is
    purchases."""
    rows = replace(rows, measures={name: rows.measures[name] for name in list_measures(churn)})
    undone_day = _find_by_parts(rows, churn)
    entry = np.flatnonzero(undone_day < -NEVER)
    back = (last_day - undone_day[entry]) // step_days
    if rows.late_days is None or churn.activity != "purchase":
        return Changes(entry, back, np.ones(len(entry), bool))
    seen_back, own_back = ((last_day - day) // step_days for day in (rows.known_day, rows.day))
    relevant = np.flatnonzero(_is_near_refund(rows, churn.undone_within_days))
    late = np.unique(rows.row[relevant[seen_back[relevant] != own_back[relevant]]])
    is_plain = ~np.isin(rows.row[entry], late)
    plain = (entry[is_plain], back[is_plain], np.ones(is_plain.sum(), bool))
    relevant = relevant[np.isin(rows.row[relevant], late)]
    found = [plain, *_replay(rows, churn, relevant, seen_back)]
    entry, back, is_undone = (np.concatenate(values) for values in zip(*found, strict=True))
    order = np.argsort(_order(entry, back), kind="stable")
    entry, back, is_undone = entry[order], back[order], is_undone[order]
    was_undone = np.append(False, is_undone[:-1]) & (np.diff(entry, prepend=-1) == 0)
    is_change = is_undone != was_undone
    return Changes(entry[is_change], back[is_change], is_undone[is_change])


def _is_near_refund(rows: SeriesRows, within_days: int) -> np.ndarray:
    """(entries,) bool: whether a refund of the customer is near enough to matter for the entry."""
    key = rows.row * _MANY_STEPS + rows.day
    refunds = key[rows.measures["refund"] > 0]
    after = np.searchsorted(refunds, key - within_days)
    return np.append(refunds, -NEVER)[after] <= key + within_days


def _replay(
    rows: SeriesRows, churn: ChurnDefinition, relevant: np.ndarray, seen_back: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(entry, back, whether undone then) for these entries at the end of every step with new parts of the customer."""
    steps = np.unique(np.column_stack([rows.row[relevant], -seen_back[relevant]]), axis=0)
    is_relevant = np.zeros(len(rows.day), bool)
    is_relevant[relevant] = True
    for start in range(0, len(steps), MOST_VERSIONS):
        customer, back = steps[start : start + MOST_VERSIONS].T * np.array([[1], [-1]])
        place, entry = rows.find_entries(customer)
        is_known = (seen_back[entry] >= back[place]) & is_relevant[entry]
        known = rows.take(customer).select(np.flatnonzero(is_known))
        yield entry[is_known], back[place[is_known]], _find_by_parts(known, churn) < -NEVER


def _find_by_parts(rows: SeriesRows, churn: ChurnDefinition) -> np.ndarray:
    """(entries,) find_undone_days for rows that are parts of days."""
    return find_undone_days(rows.by_day(), churn)[np.cumsum(rows.is_new_day) - 1]
