"""Order-level data: the tables `status` and `spread` of a source in shop.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spark_jobs.contract.shop.toml_section import Section, is_texts

#: The meanings that a status word may have.
STATES = ("counted", "pending", "cancelled", "returned")


@dataclass(frozen=True)
class Status:
    """The raw column of an order's status, and its words by meaning, in lower case.

    counted    the order counts: its lines are sales, or returns if a rule says so
    pending    not a sale yet: rejected as order_pending
    cancelled  no longer a sale: rejected as order_cancelled
    returned   all its lines are returns
    """

    column: str
    counted: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()

    @property
    def words(self) -> dict[str, str]:
        """Word -> meaning."""
        return {word: state for state in STATES for word in getattr(self, state)}


def fold_word(text: str) -> str:
    """The form in which status words are compared."""
    return " ".join(text.split()).lower()


def read_status(section: Section) -> Status | None:
    """The table `status` of a source, if it has one. An empty word stands for orders without a status."""
    if "status" not in section.raw:
        return None
    inner = section.section("status")
    column = inner.text("column")
    words = {state: tuple(map(fold_word, inner.take(state, "a list of words", _is_words, []))) for state in STATES}
    listed = [word for state in STATES for word in dict.fromkeys(words[state])]
    if not listed:
        inner.fault("counted", "a list of words")
    for word in sorted({word for word in listed if listed.count(word) > 1}):
        inner.faults.add(inner.key, f"each word in one list, {word!r} is in several", listed)
    inner.done()
    return Status(column or "", **words)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


@dataclass(frozen=True)
class Spread:
    """Raw columns with amounts of a whole order, which are spread over its lines: added (shipping, tax) or subtracted
    (discounts)."""

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
