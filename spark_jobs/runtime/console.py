"""Prints text from files safely: without interpreting rich's markup or the terminal's control characters."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def as_plain(text: str) -> Text:
    """The text without markup; unprintable characters become the replacement character."""
    return Text("".join(c if c.isprintable() else "\ufffd" for c in text))


class PlainConsole:
    """Like rich's Console, but prints strings without interpreting markup, and leaves their lines whole: a line of
    shop.toml that is broken at the screen's edge could not be pasted."""

    def __init__(self, console: Console):
        self.console = console

    @property
    def width(self) -> int:
        return self.console.width

    def print(self, what: object = "", style: str | None = None) -> None:
        for line in what.split("\n") if isinstance(what, str) else [what]:
            if isinstance(line, str):
                self.console.print(as_plain(line), style=style, soft_wrap=True)
            else:
                self.console.print(line, style=style)

    def rule(self, title: str) -> None:
        self.console.rule(as_plain(title))
