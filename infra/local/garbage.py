"""Fewer collections of Python's garbage, for a process that imports much and lives for minutes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Collections look through all that Airflow has imported. With the usual thresholds that is a fifth of its time.
SELDOM = (50_000, 20, 100)


@contextmanager
def few_collections() -> Iterator[None]:
    """Collects seldom, and after the end never again, not even when the process ends: that takes seconds."""
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.freeze()
