"""Shows the progress of DAGs: one line per finished task, and below it the latest output of the running task.

On a terminal the last line is updated in place. Elsewhere a line is printed when a task ends, and every half minute.
"""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

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

    def start_run(self, title: str) -> None:
        self.title, self.task, self.begin = title, "starting", time.monotonic()

    def start_task(self, task: str) -> None:
        self.task, self.begin = task, time.monotonic()

    def end_task(self, how: str, cause: str = "") -> None:
        if how != "ok" or time.monotonic() - self.begin > JOB_SECONDS:
            self.console.print(f"{self.title} … {self.task} {how} ({max(1, self._seconds())} s)", markup=False)
        self.cause = f"{self.task} failed: {cause}"

    def describe(self) -> Text:
        """One line: the running task, how long it has run, and its latest output."""
        last_line = read_last_line(self.log_file)
        line = Text(f"{self.title} … {self.task} {self._seconds()} s  {last_line}", no_wrap=True, overflow="ellipsis")
        line.truncate(max(20, self.console.width - 1))
        return line

    def _seconds(self) -> int:
        return round(time.monotonic() - self.begin)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            last_line = read_last_line(self.log_file)
            self.console.print(f"{self.title} … {self.task}, {self._seconds()} s so far  {last_line}", markup=False)


def read_last_line(file: Path) -> str:
    """The last line in Airflow's log, if it is a job's output; empty if it is from Airflow itself or the JVM."""
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - 4096))
        lines = log.read().decode(errors="replace").splitlines()
    found = JOB_LINE.match(next((line for line in reversed(lines) if line.strip()), ""))
    return found["message"].strip() if found and JVM_GREETING not in found["message"] else ""
