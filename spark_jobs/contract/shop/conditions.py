"""Reads conditions on raw columns: which records are returns, are rejected, or belong to a log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from spark_jobs.contract.shop.source import TESTS, Condition, Rejection
from spark_jobs.contract.shop.toml_section import Section, is_number, is_text, is_texts


def _is_pattern(value: object) -> bool:
    try:
        return isinstance(value, str) and re.compile(value) is not None
    except re.error:
        return False


def _is_comparable(value: Any) -> bool:
    """Whether it fits Spark's decimal(38,6), the type in which values are compared."""
    return is_number(value) and abs(value) < 1e32


#: For each test the check of its operand and the expected operand in words; other tests take a text.
_EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "in": (is_texts, "a list of texts"),
    "below": (_is_comparable, "a number"),
    "above": (_is_comparable, "a number"),
    "is_empty": (lambda value: isinstance(value, bool), "true or false"),
    "matches": (_is_pattern, "a regular expression"),
}


def read_condition(section: Section) -> Condition:
    column = section.text("column")
    tests = [t for t in TESTS if t in section.raw]
    section.taken.update(tests)
    if len(tests) != 1:
        section.faults.add(section.key, "exactly one of " + ", ".join(TESTS), tests)
        tests = ["equals"]
    test, value = tests[0], section.raw.get(tests[0], "")
    fits, expected = _EXPECTED.get(test, (lambda v: isinstance(v, str), "a text"))
    if not fits(value):
        section.fault(test, expected)
    section.done()
    return Condition(column or "", test, tuple(value) if isinstance(value, list) else value)


def read_rejection(section: Section) -> Rejection:
    reason = section.take("reason", "a code of a-z, 0-9 and _",
                          lambda v: is_text(v) and re.fullmatch("[a-z][a-z0-9_]*", v) is not None)  # fmt: skip
    is_expected = section.take("expected", "true or false", lambda v: isinstance(v, bool), False)
    return Rejection(reason or "", read_condition(section), is_expected)
