"""Tables of texts from files that fit the screen: nothing in them is markup, no id is cut, columns go by importance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table

from spark_jobs.runtime.console import PlainConsole, as_plain

MOST_CHARACTERS = 200  # of a cell: a longer text is no id
WIDEST = 40  # characters that a column needs at most: what is longer goes over several lines
BETWEEN = 3  # characters between two columns


@dataclass(frozen=True)
class ScreenColumn:
    """importance: of the columns that do not fit those with the largest number go first; 0: never."""

    heading: str
    cells: Sequence[str]
    importance: int = 0
    is_number: bool = False

    @property
    def width(self) -> int:
        longest = max(map(cell_len, (self.heading, *self.cells)), default=0)
        return longest if self.is_number else min(WIDEST, longest)


def choose_columns(columns: Sequence[ScreenColumn], width: int) -> list[ScreenColumn]:
    """The columns that fit into so many characters, in their order."""
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
    """styles: of the rows, from the first one on."""
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
