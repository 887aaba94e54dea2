"""The allowance of false alarms is shared."""

from __future__ import annotations

import pytest

from training.monitoring.thresholds import chance_level


def test_families_of_checks_share_the_false_alarm_rate():
    assert chance_level(25) == pytest.approx(1 - 1 / (90 * 4 * 25))
    assert chance_level(25) > chance_level(3) > chance_level(1)
