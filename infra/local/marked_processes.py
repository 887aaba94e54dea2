"""Finds the processes of a server by a variable in their environment, which those that they start inherit. Process ids
are never stored, because they may be reused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil


def find_marked(mark: str, home: Path) -> list[psutil.Process]:
    """The running processes whose variable `mark` is this home."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(mark) == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
