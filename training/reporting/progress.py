"""Shows progress: a bar on a terminal, an occasional line in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from spark_jobs.runtime.waiting import describe_left
from training.selection.learning import Progress as Report

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def show_progress(title: str, console: Console) -> Iterator[Report]:
    """Yields a callback for the share of work done, 0 to 1, and a description of the current work."""
    if console.is_terminal:
        columns = (
            TextColumn(title),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("starting", total=1.0)
            yield lambda share, text: bar.update(task, completed=share, description=text)
            bar.update(task, completed=1.0, description="done")
    else:
        yield _print_now_and_then(title, console)


def _print_now_and_then(title: str, console: Console) -> Report:
    begin = time.monotonic()
    last = [-SECONDS_BETWEEN_LINES]

    def report(share: float, text: str) -> None:
        now = time.monotonic()
        if now - last[0] >= SECONDS_BETWEEN_LINES:
            last[0] = now
            whole = (now - begin) / share if share else None
            left = f", {describe_left(whole, now - begin)}" if whole else ""
            console.print(f"{title} {share:4.0%} {text}{left}", highlight=False, soft_wrap=True)

    return report
