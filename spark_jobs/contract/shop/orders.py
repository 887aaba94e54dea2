"""What a shop's orders say for all their lines: the tables `status` and `spread` of a source in shop.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spark_jobs.contract.shop.toml_section import Section, is_texts

#: What the word of an order's status may mean.
STATES = ("counted", "pending", "cancelled", "returned")


@dataclass(frozen=True)
class Status:
    """The raw column of an order's status, and what its words mean, in lower case.

    counted    a sale, or what its lines say
    pending    no sale yet: rejected as order_pending
    cancelled  no sale any more: rejected as order_cancelled
    returned   its lines are returns
    """

    column: str
    counted: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()

    @property
    def words(self) -> dict[str, str]:
        """Word to what it means."""
        return {word: state for state in STATES for word in getattr(self, state)}


def fold_word(text: str) -> str:
    """The form in which words of a status are compared."""
    return " ".join(text.split()).lower()


def read_status(section: Section) -> Status | None:
    """The table `status` of a source, if it has one; a word may be empty: orders without any."""
    if "status" not in section.raw:
        return None
    inner = section.section("status")
    column = inner.text("column")
    words = {state: tuple(map(fold_word, inner.take(state, "a list of words", _is_words, []))) for state in STATES}
    said = [word for state in STATES for word in dict.fromkeys(words[state])]
    if not said:
        inner.fault("counted", "a list of words")
    for word in sorted({word for word in said if said.count(word) > 1}):
        inner.faults.add(inner.key, f"each word in one list, {word!r} is in several", said)
    inner.done()
    return Status(column or "", **words)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


@dataclass(frozen=True)
class Spread:
    """The raw columns of what an order pays once, or saves once, for all its lines."""

    add: tuple[str, ...] = ()
    subtract: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return self.add + self.subtract


def read_spread(section: Section) -> Spread | None:
    """The table `spread` of a source, if it has one."""
    if "spread" not in section.raw:
        return None
    inner = section.section("spread")
    names = {key: tuple(inner.take(key, "a list of raw column names", is_texts, [])) for key in ("add", "subtract")}
    if not any(names.values()):
        inner.fault("subtract", "a list of raw column names")
    inner.done()
    return Spread(**names)
