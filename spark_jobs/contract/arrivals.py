"""Is a file of this log due for this day, and does one of these paths bring it?"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from datetime import date

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop import Shop, Source


def is_due(shop: Shop, log: str, day: date) -> bool:
    """Whether somebody should wait for a file: the log's files have days, and the day is not a closed one."""
    return shop.sources[log].delivery_day is not None and not shop.is_closed(day)


def belongs(path: str, source: Source) -> bool:
    """Whether a path below the source's folder is one of its files."""
    return fnmatch.fnmatch(path, source.files)


def has_arrived(paths: Iterable[str], source: Source, day: date) -> bool:
    """Whether one of the paths below the source's folder is a file of the day."""
    return any(belongs(path, source) and day_in_path(path, source.delivery_day) == day for path in paths)


def day_in_path(path: str, pattern: str) -> date:
    """The day that the pattern's group finds in the path. Raises ChurnError where there is none."""
    match = re.search(pattern, path)
    if match is None:
        raise ChurnError(f"{path}: no delivery day found by {pattern!r}; mend delivery_day or files in shop.toml")
    try:
        return date.fromisoformat(match.group(1))
    except ValueError:
        raise ChurnError(f"{path}: {match.group(1)!r} is no day like 2011-09-06; mend delivery_day") from None
