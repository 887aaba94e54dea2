"""Tables that fit the screen: no markup, ids are not cut, unimportant columns are dropped. A pipe gets all columns."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from spark_jobs.runtime.console import PlainConsole, as_plain

MOST_CHARACTERS = 200  # of a cell; longer texts are no ids and are cut
WIDEST = 40  # the widest column, in characters; longer texts are wrapped
BETWEEN = 3  # characters between two columns


#: Of a pipe, which has no width of its own: wide enough for every table of ours.
PIPE_WIDTH = 200


def make_rich_console(stream: TextIO | None = None) -> Console:
    """The console of a stream, by default stdout. COLUMNS counts in a pipe, too."""
    stream = stream or sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH
    return Console(file=stream, highlight=False, width=width)


def make_console() -> PlainConsole:
    return PlainConsole(make_rich_console())


@dataclass(frozen=True)
class ScreenColumn:
    """importance: if not all columns fit, those with the largest number are dropped first; 0: never."""

    heading: str
    cells: Sequence[str]
    importance: int = 0
    is_number: bool = False

    @property
    def width(self) -> int:
        longest = max(map(cell_len, (self.heading, *self.cells)), default=0)
        return longest if self.is_number else min(WIDEST, longest)


def choose_columns(columns: Sequence[ScreenColumn], width: int) -> list[ScreenColumn]:
    """The columns that fit into this width in characters, in order."""
    chosen = list(columns)
    while sum(column.width + BETWEEN for column in chosen) + 1 > width:
        least = max(chosen, key=lambda column: column.importance)
        if not least.importance:
            break
        chosen.remove(least)
    return chosen


def show_table(
    console: PlainConsole, title: str, columns: Sequence[ScreenColumn], styles: Sequence[str | None] = ()
) -> None:
    """styles: those of the first rows."""
    chosen = choose_columns(columns, console.width)
    table = Table(title=as_plain(title), title_justify="left")
    for column in chosen:
        table.add_column(as_plain(column.heading), justify="right" if column.is_number else "left", overflow="fold")
    rows = zip(*(column.cells for column in chosen), strict=True)
    for number, row in enumerate(rows):
        style = styles[number] if number < len(styles) else None
        table.add_row(*(as_plain(shorten(cell)) for cell in row), style=style)
    console.print(table)


def shorten(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
