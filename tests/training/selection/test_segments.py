"""Segments: thirds by hand, an alarm only for the third that is off, and few false alarms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.training.draws import draw_outcomes
from tests.training.evaluation.test_predictions import make_predictions
from training.selection.segments import check_segments


def with_traits(outcome: np.ndarray, p: np.ndarray, horizons=(30,)):
    predictions = make_predictions(outcome, {"blend": p}, horizons)
    rng = np.random.default_rng(3)
    return replace(predictions, traits={"tenure": np.arange(float(len(p))), "value": rng.random(len(p))})


def test_thirds_have_expected_and_actual_churn():
    outcome, p = np.repeat([1.0, 0.0, 1.0], 30), np.repeat([0.9, 0.1, 0.1], 30)
    checks = check_segments(with_traits(outcome, p), "blend")
    assert [check.n for check in checks] == [30] * 6
    newest, middle, longest = checks[:3]
    assert (newest.segment, newest.expected, newest.churned) == ("newest third", pytest.approx(0.9), 1.0)
    assert (middle.is_off, longest.is_off) == (False, True)  # 0 of 30 at 10 % happens, 30 of 30 does not
    assert str(longest).startswith("30 days: of the longest known third 100.0% of 30 churned, 10.0% were expected")


def test_only_the_miscalibrated_third_raises_an_alarm():
    outcome, p = draw_outcomes(3000)
    overconfident = p.copy()
    overconfident[:1000] = np.clip(p[:1000] - 0.15, 0.01, 0.99)
    off = {check.segment for check in check_segments(with_traits(outcome, overconfident), "blend") if check.is_off}
    assert "newest third" in off
    assert not off & {"middle third by tenure", "longest known third"}


def test_true_probabilities_rarely_raise_an_alarm_and_equal_traits_no_error():
    alarms = [
        any(check.is_off for check in check_segments(with_traits(*draw_outcomes(600, seed)), "blend"))
        for seed in range(100)
    ]
    assert sum(alarms) <= 12
    outcome, p = draw_outcomes(100)
    same = replace(with_traits(outcome, p), traits={"tenure": np.ones(100)})
    assert [check.n for check in check_segments(same, "blend")] == [100]
    assert check_segments(with_traits(np.full(100, np.nan), p), "blend") == []
