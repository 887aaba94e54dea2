"""Reads and appends the rows of _runs: which nights and trainings were published, with which table versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.contract.ledger_tables import RUNS
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake


@dataclass(frozen=True)
class Run:
    """One published run: the table versions that belong together."""

    run_id: str
    run_key: str
    tables: Mapping[str, int]
    published_at: datetime
    as_of: date
    pipeline: str


def list_runs(lake: Lake, pipeline: str) -> list[Run]:
    """The published runs of a pipeline, by published_at."""
    rows = lake.arrow(RUNS, [pipeline]).sort_by("published_at").to_pylist()
    return [Run(**{**row, "tables": json.loads(row["tables"])}) for row in rows]


def newest_night(lake: Lake) -> date | None:
    """The newest day whose histories are published."""
    return max((run.as_of for run in list_runs(lake, "etl")), default=None)


def append_run(lake: Lake, run: Run) -> Run:
    """Appends the run unless the newest run of its day has the same key; returns the newest run of the day."""
    row = {**vars(run), "tables": json.dumps(dict(run.tables), sort_keys=True)}
    addition = pa.Table.from_pylist([row], arrow_schema(RUNS))

    def append(rows: pa.Table) -> pa.Table:
        same_day = rows.filter(pc.field("as_of") == run.as_of).sort_by("published_at")
        is_present = same_day.num_rows > 0 and same_day["run_key"][-1].as_py() == run.run_key
        return rows if is_present else pa.concat_tables([rows, addition])

    lake.update(RUNS, run.pipeline, append)
    return [other for other in list_runs(lake, run.pipeline) if other.as_of == run.as_of][-1]
