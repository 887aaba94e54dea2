"""Which model waits for approval?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from infra.cli.models import RegisteredModel, describe_state, find_waiting

DAY = date(2026, 11, 1)


def model(version: str, hour: int, promoted_hour: int | None = None, number: int | None = None) -> RegisteredModel:
    at = datetime(2026, 11, 2, promoted_hour, tzinfo=UTC) if promoted_hour else None
    created = datetime(2026, 11, 2, hour, tzinfo=UTC)
    return RegisteredModel(version, "lstm", DAY, True, created, DAY if at else None, at, number)


def test_only_the_newest_model_waits_until_one_is_promoted():
    old, new = model("old", 1), model("new", 2)
    assert find_waiting([]) is None
    assert find_waiting([old, new]) is new
    assert find_waiting([model("old", 1, promoted_hour=3, number=1), new]) is None
    assert find_waiting([old, model("new", 2, promoted_hour=3, number=1)]) is None


def test_a_rejected_model_does_not_wait():
    old, new = model("old", 1), replace(model("new", 2), rejected_at=datetime(2026, 11, 2, 5, tzinfo=UTC))
    assert find_waiting([old, new]) is None
    assert [describe_state(one, [old, new]) for one in (old, new)] == ["never approved", "rejected"]


def test_the_newest_promotion_scores():
    models = [model("a", 1, 5, 3), model("b", 2, 4, 2), model("c", 6)]
    assert [describe_state(one, models) for one in models] == [
        "scores from 2026-11-01", "scored from 2026-11-01", "waits for approval",
    ]  # fmt: skip
