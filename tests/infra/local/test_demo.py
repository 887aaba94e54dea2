"""Does the demo load once and train once?"""

from __future__ import annotations

from datetime import date

from infra.local import demo


def test_the_demo_loads_once_trains_once_and_then_runs_the_last_two_nights():
    runs = demo.list_runs(date(2011, 3, 1))
    assert runs[:2] == ["etl@2011-02-27", "train@2011-02-27"]
    assert runs[2:] == ["etl@2011-02-28", "score@2011-02-28", "etl@2011-03-01", "score@2011-03-01"]
