"""Which cut-offs are chosen, and are files late by the drawn lags?"""

from __future__ import annotations

import pytest

from infra.bench.late_files import choose_cutoffs, deliver, draw_lags
from spark_jobs.contract.errors import ChurnError
from tests.training.series import PURCHASE, day, make_series, make_shop
from training.tensors.rows import read_parts

SHOP = make_shop()


def test_cutoffs_leave_enough_days_for_training_and_outcomes():
    def choose(days: int) -> list[int]:
        return [(cutoff - day(0)).days for cutoff in choose_cutoffs(day(0), day(days), SHOP, 6)]

    assert choose(90 + 103) == [103]
    assert choose(90 + 170) == [170, 140, 110]
    assert len(choose(900)) == 6
    with pytest.raises(ChurnError, match="the history from 2024-01-01 to 2024-07-11 is 1 days too short"):
        choose(192)


def test_files_arrive_with_the_drawn_delay():
    series = make_series({"a": {3: PURCHASE, 40: PURCHASE}, "b": {5: PURCHASE}}, day(60))
    late = read_parts(deliver(series, late=True), ())
    assert late.late_days.tolist() == draw_lags(late.day).tolist()
    assert set(late.late_days) <= set(range(3, 8))
    assert deliver(deliver(series, late=True).slice(1), late=False)["late_days"].to_pylist() == [[0]]
