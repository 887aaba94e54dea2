"""Writes the sentence of a reason: the words of contract/reason_words.py with numbers from the customer's own series.

A change compares the last weeks with the same number of weeks before. If nothing happened in the last weeks, the
sentence gives what was usual in the half year before.

Every sentence is true independently of the model, and is bad news. A fact that is not bad news by itself, such as an
amount or a rise, is combined with one that is: only one day with a purchase, one day with most of the spend, or a
silence longer than the customer's usual gap. If there is none, there is no sentence.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from spark_jobs.contract.reason_words import (
    BAD_NEWS,
    BASE_RATE,
    LANGUAGES,
    MONEY,
    ORDER_SIZES,
    REASON_GROUPS,
    ReasonGroup,
)
from spark_jobs.contract.shop.model import Shop
from training.serving.explanation import Reasons
from training.serving.reason_facts import WEEKS_BEFORE, CustomerFacts

WEEKS_PER_MONTH = 365.25 / 12 / 7
#: A smaller change is described by its amount.
SMALLEST_PERCENT = 10
#: The largest fall that is stated unless the value is zero: rounding must not turn it into 100 %.
MOST_FALLEN = -99
#: One day with at least this share of a customer's spend is mentioned, if there are enough days with a purchase.
ONE_OFF_SHARE = 0.5
ONE_OFF_DAYS = 3
#: A silence of at least this many usual gaps is described as a multiple of the gap.
LONG_GAP = 1.5
#: A customer whose usual gap is at least this share of the primary horizon may well be inactive in it by chance.
RARE_SHARE = 0.5


def write_texts(
    reasons: Reasons, batch: pa.RecordBatch, measures: tuple[str, ...], as_of: date, shop: Shop, present: np.ndarray
) -> np.ndarray:
    """(B, MOST_REASONS) object: a sentence for every reason; None if there is no reason or it is not bad news.

    present: (B,) the primary probability, for the sentence of BASE_RATE.
    """
    texter = _Texter(batch, measures, as_of, shop)
    texts = np.full(reasons.group.shape, None, dtype=object)
    for name in {group for group in reasons.group.ravel() if group is not None}:
        row, rank = np.nonzero(reasons.group == name)
        if name == BASE_RATE:
            texts[row, rank] = texter.write_base_rate(present[row])
        else:
            texts[row, rank] = texter.write(REASON_GROUPS[name], row, reasons.weeks[row, rank])
    return texts


class _Texter(CustomerFacts):
    """The facts of a batch of customers, and their sentences in the shop's language."""

    def __init__(self, batch: pa.RecordBatch, measures: tuple[str, ...], as_of: date, shop: Shop):
        super().__init__(batch, measures, as_of, shop)
        self.words, self.currency, self.churn = LANGUAGES[shop.language], shop.currency, shop.churn

    def write(self, group: ReasonGroup, row: np.ndarray, weeks: np.ndarray) -> list[str | None]:
        """A sentence for each of the rows; None if it would not be bad news."""
        writers = {"change": self._write_changes, "mean": self._write_means, "total": self._write_totals,
                   "recency": self._write_gaps, "tenure": self._write_tenures}  # fmt: skip
        measures = tuple(name for name in group.measures if name in self.rows.measures)
        return [text and start(text) for text in writers[group.form](measures, row, weeks)]

    def write_base_rate(self, present: np.ndarray) -> list[str]:
        """The churn rate of similar customers; percentages are rounded down, so that none is 100 %."""
        activity, days = self.words.activities[self.churn.activity], self._days(self.churn.primary_horizon_days)
        return [
            start(self.words.base_rate.format(percent=int(100 * p), activity=activity, days=days))
            for p in present.tolist()
        ]

    def _write_changes(self, measures: tuple[str, ...], row: np.ndarray, weeks: np.ndarray) -> list[str | None]:
        """That a measure fell, rose or is zero; its amount if it has hardly changed or there is nothing to compare."""
        measure = measures[0]
        sums, span = self.sum_weeks(measure), np.where(weeks > 0, weeks, self.level_weeks(row))
        now, since = sums[row, span], sums[row, weeks]
        known_before = np.maximum(self.days_with_us[row] // 7 - weeks, 0)
        compared, usual = np.minimum(known_before, weeks), np.minimum(known_before, WEEKS_BEFORE)
        monthly = (sums[row, weeks + usual] - since) / np.maximum(usual, 1) * WEEKS_PER_MONTH
        before = (sums[row, weeks + compared] - since) / np.maximum(compared, 1) * weeks
        percent = np.round(100 * (now / np.where(before > 0, before, np.inf) - 1)).clip(min=MOST_FALLEN)
        percent[before <= 0] = 0.0
        facts = zip(*(values.tolist() for values in (row, span, now, monthly * (weeks > 0), percent)), strict=True)
        return [self._write_change(measure, *fact) for fact in facts]

    def _write_change(
        self, measure: str, row: int, weeks: int, now: float, monthly: float, percent: float
    ) -> str | None:
        """The change, if it is bad news; else combined with a fact that is. Inactivity alone may not be unusual."""
        is_less = now <= 0 or percent <= -SMALLEST_PERCENT
        text = self._state_change(measure, weeks, now, monthly, percent)
        if measure in BAD_NEWS:
            return None if is_less else text
        if now <= 0 and measure in self.silent_measures:
            return text if self.is_silent[row] else self._write_rarity(row)
        return text if is_less else self._write_order(measure, row) or self._add_silence(text, row)

    def _write_order(self, measure: str, row: int) -> str:
        """That all, or most, of a customer's purchases were on one day; empty if they were not."""
        if measure not in (*ORDER_SIZES, "sale_count") or self.activity != "purchase":
            return ""
        day, size = self.active_days(row, "sale_count", measure)
        if measure == "sale_count":
            return self.words.one_purchase.format(ago=self._ago(self.today - day[0])) if len(day) == 1 else ""
        largest = int(size.argmax()) if len(size) else 0
        if len(day) == 1:
            return self.words.one_day_amount.format(
                noun=self.words.nouns[measure][0],
                amount=self._amount(measure, size[0]),
                ago=self._ago(self.today - day[0]),
            )
        if len(day) < ONE_OFF_DAYS or size[largest] < ONE_OFF_SHARE * size.sum():
            return ""
        return self.words.one_off.format(
            noun=self.words.nouns[measure][0], amount=self._amount(measure, size[largest]),
            total=self._amount(measure, size.sum()), ago=self._ago(self.today - day[largest]),
        )  # fmt: skip

    def _add_silence(self, text: str, row: int) -> str | None:
        """The fact, and how long ago the last activity was; None if that is usual for the customer."""
        if not self.count[row]:
            return f"{text}, {self.words.no_purchase}" if self.activity == "purchase" else None
        if not self.is_silent[row]:
            return self._write_rarity(row)
        activity = self.words.activities[self.activity]
        return self.words.last.format(fact=text, activity=activity, ago=self._ago(self.silence[row]))

    def _write_rarity(self, row: int) -> str | None:
        """That the customer is rarely active; None if that is not the case."""
        if self.gap[row] < RARE_SHARE * self.churn.primary_horizon_days:
            return None
        activity = self.words.activities[self.activity]
        gap, ago = self._days(round(self.gap[row])), self._ago(self.silence[row])
        return self.words.rare.format(activity=activity, gap=gap, ago=ago)

    def _state_change(self, measure: str, weeks: int, now: float, monthly: float, percent: float) -> str:
        words, (noun, _) = self.words, self.words.nouns[measure]
        if now <= 0:
            none = words.none_after if monthly > 0 else words.none
            return none.format(noun=noun, weeks=self._weeks(weeks), amount=self._amount(measure, monthly))
        if abs(percent) < SMALLEST_PERCENT:
            return words.amount.format(noun=noun, weeks=self._weeks(weeks), amount=self._amount(measure, now))
        change = words.fell if percent < 0 else words.rose
        return change.format(noun=noun, percent=f"{abs(percent):.0f}", weeks=self._weeks(weeks))

    def _write_means(self, measures: tuple[str, ...], row: np.ndarray, weeks: np.ndarray) -> list[str | None]:
        """The mean over the weeks; if no values contribute to it, the number of events without a value."""
        span = np.where(weeks > 0, weeks, self.level_weeks(row))
        sums = (self.sum_weeks(name)[row, span].tolist() for name in measures)
        facts = zip(row.tolist(), span.tolist(), *sums, strict=True)
        return [self._write_mean(measures, *fact) for fact in facts]

    def _write_mean(
        self, measures: tuple[str, ...], row: int, weeks: int, value: float, count: float, there: float
    ) -> str | None:
        measure, _, counted = measures
        if not count:
            return self._write_change(counted, row, weeks, there, monthly=0.0, percent=0.0)
        noun, amount = self.words.nouns[measure][0], self._amount(measure, value / count)
        text = self.words.amount.format(noun=noun, weeks=self._weeks(weeks), amount=amount)
        return text if value < 0 else self._add_silence(text, row)

    def _write_totals(self, measures: tuple[str, ...], row: np.ndarray, weeks: np.ndarray) -> list[str | None]:
        measure = measures[0]
        noun = self.words.nouns[measure][0]
        totals = np.bincount(self.rows.row, self.rows.measures[measure], minlength=self.rows.count)[row].tolist()
        return [
            self._add_silence(self.words.total.format(noun=noun, amount=self._amount(measure, value)), customer)
            for customer, value in zip(row.tolist(), totals, strict=True)
        ]

    def _write_gaps(self, measures: tuple[str, ...], row: np.ndarray, weeks: np.ndarray) -> list[str | None]:
        """The silence compared with the customer's own usual gap."""
        return [self._write_gap(customer) for customer in row.tolist()]

    def _write_gap(self, row: int) -> str | None:
        if self.count[row] == 0:
            return self.words.no_purchase
        days, gap = int(self.silence[row]), self.gap[row]
        if self.count[row] == 1:
            return self.words.one_purchase.format(ago=self._ago(days))
        if days >= LONG_GAP * gap:
            return self.words.long_gap.format(days=self._days(days), ratio=f"{days / gap:.1f}")
        if days > gap:
            return self.words.usual_gap.format(ago=self._ago(days), gap=self._days(round(gap)))
        return self._write_rarity(row)

    def _write_tenures(self, measures: tuple[str, ...], row: np.ndarray, weeks: np.ndarray) -> list[str | None]:
        return [
            self._add_silence(self.words.tenure.format(ago=self._ago(days)), customer)
            for customer, days in zip(row.tolist(), (self.days_with_us[row] - 1).tolist(), strict=True)
        ]

    def _weeks(self, count: int) -> str:
        return self.words.one_week if count == 1 else self.words.weeks.format(count=count)

    def _days(self, count: int) -> str:
        return self.words.one_day if count == 1 else self.words.days.format(count=count)

    def _ago(self, days: int) -> str:
        return self.words.ago.format(days=self._days(int(days))) if days else self.words.today

    def _amount(self, measure: str, value: float) -> str:
        number = f"{value:,.2f}" if measure in MONEY else f"{value:,.1f}" if value % 1 else f"{value:,.0f}"
        return number + self.words.nouns[measure][1].format(currency=self.currency)


def start(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
