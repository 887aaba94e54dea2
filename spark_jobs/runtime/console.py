"""A screen for what stands in files: neither rich's markup nor a terminal's control characters."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def as_plain(text: str) -> Text:
    """The text as it is; a character that cannot be shown is a question mark."""
    return Text("".join(c if c.isprintable() else "\ufffd" for c in text))


class PlainConsole:
    """Like rich's Console, but a text that is printed has no markup."""

    def __init__(self, console: Console):
        self.console = console

    def print(self, what: object = "", style: str | None = None) -> None:
        for line in what.split("\n") if isinstance(what, str) else [what]:
            self.console.print(as_plain(line) if isinstance(line, str) else line, style=style)

    def rule(self, title: str) -> None:
        self.console.rule(as_plain(title))
