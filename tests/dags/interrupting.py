"""Interrupts a task in the middle of its work, as Airflow does at a time limit."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_SECONDS = 0.2


@contextmanager
def interrupted(has_begun: Callable[[], bool], error: type[BaseException]) -> Iterator[None]:
    """Raises `error` in what is done meanwhile, soon after `has_begun`."""

    def interrupt(*_) -> None:
        if has_begun():
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise error

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, POLL_SECONDS, POLL_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
