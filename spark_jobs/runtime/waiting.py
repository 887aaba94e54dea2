"""Work of more than some seconds shows what it does, for how long, and how long it took the last time.

How long each piece of work took is kept in CHURN_HOME/running/durations.json; losing it costs estimates only.
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
    """The seconds that pieces of work took the last time they were done, by name."""

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
        except OSError:  # a folder that cannot be written costs an estimate
            return


def describe_left(expected: float | None, elapsed: float) -> str:
    """How much longer it will take in words; empty if that is not known. Both in seconds."""
    if expected is None:
        return ""
    left = expected - elapsed
    if left < 1:
        return "longer than the last time"
    return f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} minutes left"


@contextmanager
def waiting(console: Console, text: str, name: str, home: Path) -> Iterator[None]:
    """Shows the text and the time on a terminal while the work goes on, and remembers how long it took.

    What is printed to the same console meanwhile appears above.
    """
    durations, begin = Durations(home), time.monotonic()
    expected = durations.read().get(name)
    if not console.is_terminal:  # nobody waits, so nothing is shown or kept
        yield
        return
    with Live(_Line(text, expected), console=console, refresh_per_second=4, transient=True):
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
