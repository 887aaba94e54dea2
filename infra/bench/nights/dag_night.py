"""Runs DAGs as infra.local.run_dag does, and writes what each of their tasks has cost, as JSON.

    .venv-airflow/bin/python -m infra.bench.nights.dag_night FILE --shop SHOP.toml etl@DAY score@DAY

A task's CPU seconds are those of the processes that it starts, and of what they leave running, such as a shared Spark
server; Airflow's own are the last entry. Times are of `time.monotonic`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

from infra.bench.processes import adopt_orphans, read_cpu_seconds
from infra.local import run_dag
from infra.local.progress import TaskProgress
from spark_jobs.runtime.command import run_command


class MeasuredProgress(TaskProgress):
    """Also measures: what is used from the start of a task to the start of the next one is the task's."""

    def __init__(self, result: Path, terminal: TextIO, log_file: Path):
        super().__init__(terminal, log_file)
        self.result, self.steps, self.step = result, list[dict[str, object]](), "airflow"
        self.since, self.used = time.monotonic(), read_cpu_seconds()

    def start_task(self, task: str) -> None:
        self._change_to(f"{self.title.partition(' ')[0]}.{task}")
        super().start_task(task)

    def end_task(self, how: str, cause: str = "") -> None:
        self._change_to("airflow")
        super().end_task(how, cause)

    def __exit__(self, *details: object) -> None:
        self._change_to("airflow")
        self.steps.append({"step": "airflow", "cpu_seconds": read_cpu_seconds().own})
        self.result.write_text(json.dumps(self.steps))
        super().__exit__(*details)

    def _change_to(self, step: str) -> None:
        now, used = time.monotonic(), read_cpu_seconds()
        self.steps.append(
            {"step": self.step, "begin": self.since, "end": now, "cpu_seconds": used.below - self.used.below}
        )
        self.step, self.since, self.used = step, now, used


def main(argv: Sequence[str] | None = None) -> None:
    words = sys.argv[1:] if argv is None else argv
    adopt_orphans()
    run_dag.main(words[1:], partial(MeasuredProgress, Path(words[0]).resolve()))


if __name__ == "__main__":
    sys.exit(run_command(main))
