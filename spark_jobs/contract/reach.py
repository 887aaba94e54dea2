"""What an engine can read."""

from __future__ import annotations

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import SAIL, Settings


def require_reachable(settings: Settings, place: str | None, name: str) -> None:
    """Raises ChurnError if place, a path or URL, is out of the engine's reach: no network leads out of a Sail that jobs
    start. name: what the error calls the place."""
    if settings.engine == SAIL and settings.spark_remote is None and "://" in (place or ""):
        raise ChurnError(f"{name} is {place}, but CHURN_ENGINE is sail, which reads folders of this machine: set"
                         " CHURN_ENGINE=connect")  # fmt: skip
