"""Fewer collections of Python's garbage, for a process that imports much and lives for minutes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Collections look through all that Airflow has imported. With the usual thresholds that is a fifth of its time, and
#: with 50,000 objects a twelfth. A million are as many as the imports and a night leave, and take 13 MB more.
SELDOM = (1_000_000, 20, 100)


@contextmanager
def few_collections() -> Iterator[None]:
    """Collects seldom, and after the end never again, not even when the process ends: that takes seconds."""
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.freeze()
