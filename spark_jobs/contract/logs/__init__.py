"""The logs that a shop may have: every file of this package declares one as `LOG`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from spark_jobs.contract.log import Log


def _load_logs() -> dict[str, Log]:
    declared: list[Log] = [import_module(f"{__name__}.{module.name}").LOG for module in iter_modules(__path__)]
    return {log.name: log for log in sorted(declared, key=lambda log: (log.order, log.name))}


#: By name, in the order in which they are cleaned.
LOGS: dict[str, Log] = _load_logs()
