"""Is a file of a log due on a day, and has it arrived?"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from datetime import date, timedelta

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.path_days import ends_period, read_day
from spark_jobs.contract.shop.source import DeliveryDay, Source


def is_due(shop: Shop, log: str, day: date) -> bool:
    """Whether to wait for a file of this day: its files are dated and the day is not closed. Files of a month or a week
    are due on its last day only."""
    named = shop.sources[log].delivery_day
    if named is None or shop.is_closed(day):
        return False
    return ends_period(day + timedelta(days=named.lag_days), named.format)


def belongs(path: str, source: Source) -> bool:
    """Whether a path below the source's folder is one of its files."""
    return fnmatch.fnmatch(path, source.files)


def has_arrived(paths: Iterable[str], source: Source, day: date) -> bool:
    """Whether one of these paths, relative to the source's folder, is a file of this delivery day."""
    named = source.delivery_day
    own = (path for path in paths if belongs(path, source))
    return named is not None and any(find_delivery_day(path, named) == day for path in own)


def find_delivery_day(path: str, named: DeliveryDay) -> date:
    """The delivery day in a file's path. Raises ChurnError if the pattern finds no day in it."""
    match = re.search(named.pattern, path)
    if match is None:
        raise ChurnError(
            f"{path}: no delivery day found by {named.pattern!r}; correct delivery_day or files in shop.toml"
        )
    try:
        return read_day(match.group(1), named.format) - timedelta(days=named.lag_days)
    except (ValueError, OverflowError, OSError):
        expected = named.format or "2011-09-06"
        raise ChurnError(f"{path}: {match.group(1)!r} is no day like {expected}; correct delivery_day") from None
