"""What did a customer's days bring the shop? Sales less refunds, each on its own day. Pure, no I/O.

A customer's refunds beyond all that he ever paid count as nothing: where the history begins with refunds of sales
before it, or a refund is mistyped, his sum stays at zero. `find_excess` says how much that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np
import pyarrow as pa

from training.tensors.rows import SeriesRows, read_parts, read_rows

MEASURES = ("refund", "spend")
#: What may be of any size in one mistyped line, and so is held to what the shop knows.
LIMITED = ("item_quantity", "refund", "spend")
#: The share of a shop's days that says how far its amounts reach, and how many days at least lie beyond it.
HIGH, FEWEST_BEYOND = 0.99, 4
FEWEST_DAYS = 20
#: An amount that so many of its days reach, and this share of them, is the shop's own and no slip.
REACHED_BY, REACHED_SHARE = 20, 0.002


def read_money(batch: pa.RecordBatch | pa.Table) -> SeriesRows:
    """The days of a batch of customer_series with the one measure `money`, in shop currency."""
    return count_money(read_rows(batch, MEASURES))


def count_money(rows: SeriesRows) -> SeriesRows:
    """The rows with the one measure `money`: spend less refund, by what was paid until then. Exact to the cent."""
    return SeriesRows(rows.first_day, rows.row, rows.day, {"money": count_cents(rows) / 100})


def count_cents(rows: SeriesRows) -> np.ndarray:
    """(entries,) int64."""
    cents = _net_cents(rows)
    own = _add_up(rows, cents)
    starts = np.searchsorted(rows.row, np.arange(rows.count + 1))
    for customer in np.unique(rows.row[own < 0]):  # nearly nobody
        place = slice(starts[customer], starts[customer + 1])
        paid = own[place] - np.minimum(np.minimum.accumulate(own[place]), 0)
        cents[place] = np.diff(paid, prepend=0)
    return cents


def find_excess(rows: SeriesRows) -> tuple[int, float, float]:
    """So many customers whose refunds exceed what they had ever paid, by how much, and what all have paid on the whole;
    rows: with MEASURES."""
    beyond = np.bincount(rows.row, count_cents(rows) - _net_cents(rows), minlength=rows.count)
    return int((beyond > 0).sum()), float(beyond.sum()) / 100, float(rows.measures["spend"].sum())


def _net_cents(rows: SeriesRows) -> np.ndarray:
    spend, refund = (np.round(rows.measures[name] * 100).astype(np.int64) for name in ("spend", "refund"))
    return spend - refund


def _add_up(rows: SeriesRows, cents: np.ndarray) -> np.ndarray:
    """(entries,) what the customer's days up to the entry's add up to."""
    total = np.cumsum(cents)
    starts = np.searchsorted(rows.row, np.arange(rows.count))
    before = np.concatenate([[0], total])[starts]
    return total - before[rows.row]


def limit_days(batch: pa.RecordBatch | pa.Table, limits: Mapping[str, float]) -> tuple[pa.Table, np.ndarray]:
    """A batch of customer_series whose days hold no more of a measure than its limit, and whose days do so now (N,).

    Of a day that came to be known in parts, at no time more is known than the limit.
    """
    table, is_changed = pa.table(batch).combine_chunks(), np.zeros(len(batch), bool)
    parts = read_parts(table, tuple(limits))
    for name, limit in limits.items():
        limited = _limit_parts(parts, parts.measures[name], limit)
        is_cut = limited != parts.measures[name]
        if is_cut.any():
            is_changed[parts.row[is_cut]] = True
            column = table[name].combine_chunks()
            starts = pa.array(column.offsets.to_numpy() - column.offsets[0].as_py(), pa.int32())
            lists = pa.ListArray.from_arrays(starts, pa.array(limited), type=column.type)
            table = table.set_column(table.column_names.index(name), name, lists)
    return table, is_changed


def _limit_parts(rows: SeriesRows, values: np.ndarray, limit: float) -> np.ndarray:
    """(entries,) what each part adds to its day, of which no more than the limit counts."""
    limited = np.minimum(values, limit)
    if rows.late_days is None:
        return limited
    so_far, before = rows.sum_so_far(values), rows.sum_before(values)
    return np.where(rows.is_new_day, limited, np.minimum(so_far, limit) - np.minimum(before, limit))


def find_day_limit(money: np.ndarray) -> float:
    """The most that a customer's day counts for, by the shop's own days (N,): one line must not move a shop.

    Amounts are spread about log-normally. From the median and a high quantile, which a few wrong lines move by nothing,
    follows the amount that of so many days one is expected to exceed. Where few orders are of another kind, as yearly
    ones beside monthly ones, the spread does not show them: what enough days reach counts as it is. Infinite where too
    few days can tell.
    """
    amounts = np.sort(money[money > 0])
    count = len(amounts)
    if count < FEWEST_DAYS:
        return np.inf
    share = min(HIGH, 1 - FEWEST_BEYOND / count)
    middle, high = np.log(np.quantile(amounts, [0.5, share], method="lower"))
    spread = (high - middle) / NormalDist().inv_cdf(share)
    reached = amounts[-max(REACHED_BY, int(REACHED_SHARE * count))]
    return float(max(np.exp(max(middle - spread * NormalDist().inv_cdf(1 / count), high)), reached))
