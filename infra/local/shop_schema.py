"""The JSON Schema of shop.toml, learned from the code that reads it.

The reader runs over a file in which every optional table is present, while its checks are recorded: the key, the words
of its error, and which kinds of values its test lets pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop import file as shop_file
from spark_jobs.contract.shop.conditions import TESTS
from spark_jobs.contract.shop.toml_section import MISSING, Faults, Section

#: Values of every kind that some test lets pass.
SAMPLES: dict[str, tuple[Any, ...]] = {
    "string": ("x", "EUR", "12:30", "Europe/Berlin", "latest", "1,234.56", "utf-8", ",", "any", "a[]", "yyyyMMdd",
               "cp1252", "auto", "0.01", date(2026, 11, 20)),
    "boolean": (True,),
    "integer": (1, 5, 30, 100_000),
    "number": (0.5, 1.5),
    "array": (["x"], [30, 60], [1, 5], [date(2026, 11, 20)], [{}], ["yyyyMMdd", "dd.MM.yyyy"]),
    "object": ({}, {"a": "b"}, {"a": "1"}),
}  # fmt: skip
#: Tables whose keys a shop chooses, or that another module reads.
FREE = ("model", "rates", "columns", "names", "values", "zones")
SOURCE: dict[str, Any] = {
    "location": "x", "files": "*", "format": "csv", "columns": {"customer_id": "c", "event_at": "t", "amount": "a",
                                                                 "rating": "r"},
    "delivery_day": {"pattern": "(x)"}, "returns": [{"column": "a", "equals": "x"}], "only": [{"column": "a",
                                                                                               "equals": "x"}],
    "reject": [{"column": "a", "equals": "x", "reason": "x"}], "layouts": [{"names": {"a": "b"}}],
    "spread": {"subtract": ["x"]}, "status": {"column": "s", "counted": ["x"]}, "limits": {}, "bots": {},
}  # fmt: skip


def make_schema() -> dict[str, Any]:
    """The schema, of draft 7, which editors know."""
    with record_checks() as checks:
        source = {log: dict(SOURCE) for log in LOGS}
        contact = {"capacity_per_night": 1, "log": {"location": "x", "files": "*", "format": "csv", "columns": {}}}
        raw = {"name": "x", "time_zone": "UTC", "currency": "EUR", "sources": source, "contact": contact}
        shop_file._read_shop(Section(raw, "", Faults()), Path("shop.toml"), "")
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "shop.toml"}
    nested = _nest(checks)
    for log in nested["properties"]["sources"]["properties"].values():
        for rules in {"returns", "reject", "only"} & log["properties"].keys():
            log["properties"][rules]["items"]["properties"] |= {test: {} for test in TESTS}
        log["properties"]["delivery_day"] = {"anyOf": [{"type": "string"}, log["properties"]["delivery_day"]]}
    return schema | nested


@contextmanager
def record_checks() -> Iterator[dict[str, dict[str, Any]]]:
    """The schema of each key, by its full name, of all that is read meanwhile."""
    checks: dict[str, dict[str, Any]] = {}
    take, choice, done = Section.take, Section.choice, Section.done
    section, sections = Section.section, Section.sections

    def name_of(self: Section, key: str) -> str:
        return re.sub(r"\[\d+\]", "[]", self.name_of(key))

    def new_take(self: Section, key: str, expected: str, fits: Callable[[Any], bool], default: object = MISSING) -> Any:
        checks.setdefault(name_of(self, key), {"description": expected, **_find_types(fits)})
        return take(self, key, expected, fits, default)

    def new_choice(self: Section, key: str, choices: tuple[str, ...], default: object = MISSING) -> Any:
        checks.setdefault(name_of(self, key), {"enum": [one for one in choices if one is not None]})
        return choice(self, key, choices, default)

    def new_section(self: Section, key: str) -> Section:
        checks.setdefault(name_of(self, key), {"type": "object"})
        return section(self, key)

    def new_sections(self: Section, key: str) -> list[Section]:
        checks.setdefault(name_of(self, key), {"type": "array"})
        return sections(self, key)

    def new_done(self: Section, known: Iterable[str] = ()) -> None:
        known = tuple(known)
        for key in known:
            checks.setdefault(name_of(self, key), {})
        done(self, known)

    with (
        patch.object(Section, "done", new_done),
        patch.object(Section, "take", new_take),
        patch.object(Section, "choice", new_choice),
        patch.object(Section, "section", new_section),
        patch.object(Section, "sections", new_sections),
    ):
        yield checks


def _find_types(fits: Callable[[Any], bool]) -> dict[str, Any]:
    found = [name for name, samples in SAMPLES.items() if any(_lets_pass(fits, sample) for sample in samples)]
    if "number" in found and "integer" in found:
        found.remove("integer")
    return {"type": found[0] if len(found) == 1 else found} if found else {}


def _lets_pass(fits: Callable[[Any], bool], sample: object) -> bool:
    try:
        return bool(fits(sample))
    except (TypeError, ValueError, AttributeError, KeyError):
        return False


def _nest(checks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Objects within objects; a table whose keys are known takes no others."""
    top: dict[str, Any] = {"type": "object"}
    for name in sorted(checks):
        parent, steps = top, name.split(".")
        for step in steps[:-1]:
            parent = _open(parent, step.removesuffix("[]"), is_list=step.endswith("[]"))
        if not _is_free(steps[:-1]):
            properties = parent.setdefault("properties", {})
            properties[steps[-1]] = checks[name] | properties.get(steps[-1], {})
            parent["additionalProperties"] = False
    return top


def _open(parent: dict[str, Any], key: str, is_list: bool) -> dict[str, Any]:
    child = parent.setdefault("properties", {}).setdefault(key, {"type": "array" if is_list else "object"})
    parent["additionalProperties"] = False
    return child.setdefault("items", {"type": "object"}) if is_list else child


def _is_free(steps: Iterable[str]) -> bool:
    return any(step.removesuffix("[]") in FREE for step in steps)
