"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def write_table(lines: Sequence[Sequence[str]], names: int = 1) -> list[str]:
    """The lines of a Markdown table, heading first; columns after the first `names` are aligned right, for numbers."""
    heading, *rows = lines
    rule = ["---"] * names + ["---:"] * (len(heading) - names)
    return ["| " + " | ".join(row) + " |" for row in (heading, rule, *rows)]
