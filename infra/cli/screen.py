"""The console of the commands. In a pipe, which has no width, tables keep all their columns."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from rich.console import Console

from spark_jobs.runtime.console import PlainConsole

#: Wide enough for every table of ours.
PIPE_WIDTH = 200


def find_width(stream: TextIO) -> int | None:
    """The width for rich; None leaves it to the terminal, or to COLUMNS."""
    return None if stream.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH


def make_rich_console() -> Console:
    return Console(highlight=False, width=find_width(sys.stdout))


def make_console() -> PlainConsole:
    return PlainConsole(make_rich_console())
