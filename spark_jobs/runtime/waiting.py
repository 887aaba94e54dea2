"""Shows for work of more than a few seconds what it does, how long it has run, and how long it took the last time.

The durations are in CHURN_HOME/running/durations.json; without this file there are only no estimates.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

FILE = Path("running", "durations.json")


class Durations:
    """Name of the work -> its seconds the last time."""

    def __init__(self, home: Path):
        self.file = home / FILE

    def read(self) -> Mapping[str, float]:
        try:
            return json.loads(self.file.read_text())
        except (OSError, ValueError):
            return {}

    def note(self, name: str, seconds: float) -> None:
        draft = self.file.with_suffix(f".{os.getpid()}")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps({**self.read(), name: round(seconds, 1)}))
            draft.replace(self.file)
        except OSError:  # without a writable folder there is no estimate
            return


def describe_left(expected: float | None, elapsed: float) -> str:
    """The remaining time in words; empty if unknown. Arguments in seconds."""
    if expected is None:
        return ""
    left = expected - elapsed
    if left < 1:
        return "longer than the last time"
    return f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} minutes left"


@contextmanager
def waiting(console: Console, text: str, name: str, home: Path) -> Iterator[None]:
    """Shows the text and the time on a terminal during the work, and stores how long it took.

    What is printed to the same console meanwhile appears above.
    """
    if not console.is_terminal:  # not a terminal, so nothing is shown or stored
        yield
        return
    durations, begin = Durations(home), time.monotonic()
    with Live(_Line(text, durations.read().get(name)), console=console, refresh_per_second=4, transient=True):
        yield
    durations.note(name, time.monotonic() - begin)


class _Line:
    """A spinner, the text, the seconds so far and the time left."""

    def __init__(self, text: str, expected: float | None):
        self.text, self.expected, self.begin = text, expected, time.monotonic()
        self.spinner = Spinner("dots")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        elapsed = time.monotonic() - self.begin
        left = describe_left(self.expected, elapsed)
        line = Text(f"{self.text} {elapsed:.0f} s" + (f", {left}" if left else ""), no_wrap=True, overflow="ellipsis")
        line.truncate(max(20, console.width - 3))
        self.spinner.text = line
        yield self.spinner
