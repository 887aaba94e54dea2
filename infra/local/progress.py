"""Shows the progress of DAGs: one line per finished task, and below it the running task with the time left.

On a terminal the last line is updated in place. Elsewhere a line is printed when a task ends, and every half minute.
The time left is that of all runs of the command, by how long runs of the same DAGs took the last time.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from infra.local.environment import JOBS_PYTHON
from spark_jobs.runtime.logs import describe_run
from spark_jobs.runtime.waiting import Durations, describe_left

HEARTBEAT_SECONDS = 30
#: Every job takes longer; shorter tasks are Airflow's own and are not shown.
JOB_SECONDS = 0.2
#: A line of a job's output in Airflow's log: time, level, text, logger.
JOB_LINE = re.compile(r"^\S+Z \[\w+\s*\] (?P<message>.*?)\s*\[airflow\.task\.(?:hooks|operators)\.\S+\]")
JVM_GREETING = "incubator modules"


class TaskProgress:
    """Shows the tasks of successive runs. `cause` is the reason why the last failed task failed."""

    def __init__(self, terminal: TextIO, log_file: Path):
        self.console = Console(file=terminal, highlight=False, soft_wrap=True)
        self.log_file = log_file
        self.title, self.task, self.begin, self.cause = "Airflow", "starting", time.monotonic(), "no task ran"
        self._ended = threading.Event()
        self._names: list[str] = []  # of the runs that are not done, the running one first
        self._durations: Durations | None = None
        self._expected: Mapping[str, float] = {}
        self._run_begin = self.begin

    def __enter__(self) -> TaskProgress:
        if self.console.is_terminal:
            self.live = Live(get_renderable=self.describe, console=self.console, refresh_per_second=2, transient=True,
                             redirect_stdout=False, redirect_stderr=False)  # fmt: skip
            self.live.start()
        else:
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self.console.is_terminal:
            self.live.stop()

    def expect(self, durations: Durations, names: Sequence[str]) -> None:
        """Estimates the time left from the last durations. names: of the runs to come, in order, like `etl shop`."""
        self._durations, self._expected, self._names = durations, durations.read(), list(names)

    def start_run(self, title: str) -> None:
        self.title, self.task, self.begin = title, "starting", time.monotonic()
        self._run_begin = self.begin

    def end_run(self) -> None:
        """Remembers how long the run took."""
        if self._durations and self._names:
            self._durations.note(self._names.pop(0), time.monotonic() - self._run_begin)

    def start_task(self, task: str) -> None:
        self.task, self.begin = task, time.monotonic()
        describe_run(task=task)

    def end_task(self, how: str, cause: str = "") -> None:
        if how != "ok" or time.monotonic() - self.begin > JOB_SECONDS:
            self.console.print(f"{self.title} … {self.task} {how} ({max(1, self._seconds())} s)", markup=False)
        self.cause = f"{self.task} failed: {cause}"

    def describe(self) -> Text:
        """One line: the running task, how long it has run, and its latest output."""
        last_line = read_last_line(self.log_file)
        text = f"{self.title} … {self.task} {self._seconds()} s{self._describe_left()}  {last_line}"
        line = Text(text, no_wrap=True, overflow="ellipsis")
        line.truncate(max(20, self.console.width - 1))
        return line

    def _seconds(self) -> int:
        return round(time.monotonic() - self.begin)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            last_line = read_last_line(self.log_file)
            now = f"{self._seconds()} s so far{self._describe_left()}"
            self.console.print(f"{self.title} … {self.task}, {now}  {last_line}", markup=False)

    def _describe_left(self) -> str:
        """The time left of all runs; empty if one of them has never been done."""
        if not self._names or not set(self._names) <= self._expected.keys():
            return ""
        left = describe_left(sum(self._expected[name] for name in self._names), time.monotonic() - self._run_begin)
        return f", {left}"


def read_last_line(file: Path) -> str:
    """The last line in Airflow's log, if it is a job's output; empty if it is from Airflow itself or the JVM, or
    only the job's command line."""
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - 4096))
        lines = log.read().decode(errors="replace").splitlines()
    found = JOB_LINE.match(next((line for line in reversed(lines) if line.strip()), ""))
    message = found["message"].strip() if found else ""
    return "" if JVM_GREETING in message or message.startswith(str(JOBS_PYTHON)) else message
