"""When is a scored day judged, and when is it judged again?"""

from __future__ import annotations

from dataclasses import replace

from spark_jobs.warehouse.records import PublishedRun
from tests.training.series import day
from training.monitoring.outcomes import find_due


def test_a_horizon_is_evaluated_after_the_label_delay():
    run = PublishedRun(**{f: None for f in PublishedRun.__dataclass_fields__})
    run = replace(run, as_of=day(0), published_at=1, is_hindsight=False)

    def is_due(known: int, judged: dict | None = None, undone_within_days: int = 0) -> bool:
        due = find_due([run], judged or {}, [30], day(known), 4, undone_within_days)
        return bool(due)

    assert [is_due(n) for n in (33, 34)] == [False, True]
    judged_early, judged_late = ({(day(0), 30): day(n)} for n in (40, 41))
    assert is_due(60, judged_early)
    assert not is_due(60, judged_late)
    assert is_due(
        60, judged_late, 20
    )  # a sale of the last day may be undone until day 50, and the refund delivered four days later
    assert not is_due(60, {(day(0), 30): day(54)}, 20)
