"""Reads a TOML table key by key and collects all faults."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, overload
from zoneinfo import available_timezones


class Faults:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, key: str, expected: str, found: object, hint: str = "") -> None:
        self.lines.append(f"{key}: expected {expected}, found {show(found)}{hint}")


MISSING = object()


def show(value: object) -> str:
    return "nothing" if value is MISSING else repr(value)


def nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


@cache
def time_zones() -> frozenset[str]:
    """All time zones. Cached because listing them reads the disk, and Airflow parses dozens of shops at a time."""
    return frozenset(available_timezones())


class Section:
    """A TOML table being read: every `take` checks one key, and `done` reports the keys that were not taken."""

    def __init__(self, raw: object, key: str, faults: Faults):
        self.key, self.faults = key, faults
        self.taken: set[str] = set()
        if not isinstance(raw, dict):
            faults.add(key, "a table", raw)
            raw = {}
        self.raw: dict = raw

    def name_of(self, key: str) -> str:
        return f"{self.key}.{key}" if self.key else key

    def fault(self, key: str, expected: str, hint: str = "") -> None:
        self.faults.add(self.name_of(key), expected, self.raw.get(key, MISSING), hint)

    def take(self, key: str, expected: str, fits: Callable[[Any], bool], default: object = MISSING) -> Any:
        """The value, or the default if there is none; adds a fault if the value does not fit or is required."""
        self.taken.add(key)
        if key not in self.raw and default is not MISSING:
            return default
        value = self.raw.get(key, MISSING)
        if value is MISSING or not fits(value):
            self.fault(key, expected)
            return None if default is MISSING else default
        return value

    def text(self, key: str, default: object = MISSING) -> Any:
        return self.take(key, "a text", is_text, default)

    def choice(self, key: str, choices: tuple[str, ...], default: object = MISSING) -> Any:
        self.taken.add(key)
        value = self.raw.get(key, default)
        if value not in choices:
            hint = nearest(value, choices) if isinstance(value, str) else ""
            self.fault(key, "one of " + ", ".join(choices), hint)
        return value

    @overload
    def share(self, key: str, default: float) -> float: ...
    @overload
    def share(self, key: str, default: None) -> float | None: ...
    def share(self, key: str, default: float | None) -> float | None:
        share = self.take(key, "a number from 0 to 1", lambda v: is_number(v) and 0 <= v <= 1, default)
        return None if share is None else float(share)

    def section(self, key: str) -> Section:
        self.taken.add(key)
        return Section(self.raw.get(key, {}), self.name_of(key), self.faults)

    def sections(self, key: str) -> list[Section]:
        items = self.take(key, "a list of tables", lambda v: isinstance(v, list), [])
        return [Section(item, f"{self.name_of(key)}[{n}]", self.faults) for n, item in enumerate(items)]

    def done(self, known: Iterable[str] = ()) -> None:
        names = set(known) | self.taken
        for key in self.raw:
            if key not in names:
                self.faults.add(self.name_of(key), "no such key", self.raw[key], nearest(key, names))


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_clock_time(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value) is not None


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_day_count(value: Any) -> bool:
    return is_count(value) and value <= 3650


def is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(is_text(v) for v in value)


def are_different_texts(value: Any) -> bool:
    """Whether it is a non-empty list of different texts."""
    return is_texts(value) and len(value) > 0 and len(set(value)) == len(value)


def read_location(section: Section, folder: Path, key: str = "location", default: object = MISSING) -> str | None:
    """A path or URL; a relative path starts at shop.toml's folder."""
    location = section.text(key, default)
    if location is None or "://" in location or location.startswith("{home}"):
        return location
    return str((folder / location).resolve())
