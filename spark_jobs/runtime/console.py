"""Prints text from files safely: without interpreting rich's markup or the terminal's control characters."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def as_plain(text: str) -> Text:
    """The text without markup; unprintable characters become the replacement character."""
    return Text("".join(c if c.isprintable() else "\ufffd" for c in text))


class PlainConsole:
    """Like rich's Console, but prints strings without interpreting markup."""

    def __init__(self, console: Console):
        self.console = console

    def print(self, what: object = "", style: str | None = None) -> None:
        for line in what.split("\n") if isinstance(what, str) else [what]:
            self.console.print(as_plain(line) if isinstance(line, str) else line, style=style)

    def rule(self, title: str) -> None:
        self.console.rule(as_plain(title))
