"""The numbers for reason texts: sums over a customer's last weeks, and whether the time since the last activity is
unusual."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.measures import ACTIVITY_LOGS, ACTIVITY_MEASURES
from spark_jobs.contract.reason_words import COUNTED_IN_DAYS
from spark_jobs.contract.shop.model import Shop
from training.serving.evidence import WINDOW_WEEKS
from training.tensors.activity import find_undone_days, leave_out
from training.tensors.rows import read_rows, to_day_number

#: How many weeks before a change are used to describe what was usual.
WEEKS_BEFORE = 26


class CustomerFacts:
    """The facts of a batch of customers. All arrays have one entry per customer.

    count    days with activity
    silence  days since the last of them, or since the first day if there was none
    gap      the mean gap between them in days, 0 if there were fewer than two
    """

    def __init__(self, batch: pa.RecordBatch, measures: tuple[str, ...], as_of: date, shop: Shop):
        self.today = to_day_number(as_of)
        rows = read_rows(batch, measures)
        self.rows = leave_out(rows, find_undone_days(rows, shop.churn) <= self.today)
        self.days_with_us = self.today - self.rows.first_day + 1
        self.ends = np.searchsorted(self.rows.row, np.arange(self.rows.count + 1))
        self.activity = next(name for name, measure in ACTIVITY_MEASURES.items() if measure in measures)
        sizes = [measure.name for measure in LOGS[ACTIVITY_LOGS[self.activity]].measures if measure.is_size]
        self.silent_measures = (ACTIVITY_MEASURES[self.activity], *sizes)
        self._measure_activity()

    def _measure_activity(self) -> None:
        """Sets count, silence, gap, and is_silent: whether the silence is unusually long. It always is with fewer than
        two days of activity."""
        happened = self.rows.measures[ACTIVITY_MEASURES[self.activity]] > 0
        customer, day = self.rows.row[happened], self.rows.day[happened]
        self.count = np.bincount(customer, minlength=self.rows.count)
        first, last = np.full(self.rows.count, self.today), self.rows.first_day.copy()
        np.minimum.at(first, customer, day)
        np.maximum.at(last, customer, day)
        self.silence = self.today - last
        self.gap = np.maximum(last - first, 0) / np.maximum(self.count - 1, 1)
        self.is_silent = (self.count < 2) | (self.silence > self.gap)

    def active_days(self, row: int, measure: str, size: str) -> tuple[np.ndarray, np.ndarray]:
        """The customer's days on which `measure` is above zero, and the values of `size` on these days."""
        own = slice(self.ends[row], self.ends[row + 1])
        is_active = self.rows.measures[measure][own] > 0
        return self.rows.day[own][is_active], self.rows.measures[size][own][is_active]

    def level_weeks(self, row: np.ndarray) -> np.ndarray:
        """The weeks over which a level is described: half a year, or all weeks of a newer customer."""
        return np.minimum(WEEKS_BEFORE, -(-self.days_with_us[row] // 7))

    def sum_weeks(self, measure: str) -> np.ndarray:
        """(customers, weeks + 1) the sums over the last 0, 1, 2, … weeks."""
        values = self.rows.measures[measure]
        values = (values > 0).astype(float) if measure in COUNTED_IN_DAYS else values
        width = max(WINDOW_WEEKS) + WEEKS_BEFORE
        week = (self.today - self.rows.day) // 7
        is_near = week < width
        cell = self.rows.row[is_near] * width + week[is_near]
        weekly = np.bincount(cell, values[is_near], minlength=self.rows.count * width)
        return np.pad(np.cumsum(weekly.reshape(-1, width), axis=1), ((0, 0), (1, 0)))
