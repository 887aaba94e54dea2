"""Does the ledger hold each published content once, in order?"""

from __future__ import annotations

from datetime import UTC, date, datetime

from spark_jobs.contract.ledger_tables import RUNS
from spark_jobs.lake.ledger import Run, append_run, list_runs


def run_of(number: int, key: str, as_of: date = date(2011, 9, 6)) -> Run:
    published_at = datetime(2011, 9, 7, 2, number, tzinfo=UTC)
    return Run(f"run {number}", key, {"purchases": number, "customer_day": 2}, published_at, as_of, "etl")


def test_runs_are_appended_once_per_content_and_listed_in_order(lake):
    first, next_day, second = run_of(1, "a"), run_of(2, "a", date(2011, 9, 7)), run_of(3, "b")
    assert list_runs(lake, "etl") == []
    assert append_run(lake, second) == second
    assert append_run(lake, next_day) == next_day
    assert append_run(lake, first) == second  # `second` is newer, so it counts for its day
    assert list_runs(lake, "etl") == [first, next_day, second]
    version = lake.version(RUNS)
    assert append_run(lake, run_of(4, "b")) == second
    assert lake.version(RUNS) == version
    repeated = run_of(5, "a")
    assert append_run(lake, repeated) == repeated
    assert [r.run_id for r in list_runs(lake, "etl")] == ["run 1", "run 2", "run 3", "run 5"]
    assert list_runs(lake, "score") == []
