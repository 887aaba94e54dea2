"""What an engine can read."""

from __future__ import annotations

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import SAIL, Settings


def is_url(place: str | None) -> bool:
    """Whether a path or URL is a URL: of an object store, which only a network leads to."""
    return "://" in (place or "")


def require_reachable(settings: Settings, place: str | None, name: str) -> None:
    """Raises ChurnError if place, a path or URL, is out of the engine's reach: no network leads out of a Sail that jobs
    start. name: what the error calls the place."""
    if settings.engine == SAIL and settings.spark_remote is None and is_url(place):
        raise ChurnError(f"{name} is {place}, but CHURN_ENGINE is sail, which reads folders of this machine: set"
                         " CHURN_ENGINE=connect")  # fmt: skip
