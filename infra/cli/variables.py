"""Finds misspelt CHURN_* variables, which nothing would read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

import spark_jobs.contract.settings as settings

PREFIX = "CHURN_"
#: Variables that the product sets for its own processes.
INTERNAL = ("CHURN_AIRFLOW_HOME", "CHURN_JOB_SERVER", "CHURN_LEASH_")


def list_variables() -> list[str]:
    """Every variable that the settings read."""
    return sorted(set(re.findall(r"^\| (CHURN_[A-Z_]+) \|", settings.__doc__ or "", re.MULTILINE)))


def find_misspelt(environment: Iterable[str]) -> Iterator[str]:
    """One message for each CHURN_* variable that resembles a setting but is none.

    A variable that resembles no setting is somebody else's and is ignored.
    """
    known = list_variables()
    for name in sorted(environment):
        is_ours = name.startswith(PREFIX) and not name.startswith(INTERNAL)
        if not is_ours or name in known:
            continue
        own_part = name.removeprefix(PREFIX)  # the prefix is alike in all
        close = difflib.get_close_matches(own_part, [one.removeprefix(PREFIX) for one in known], n=1, cutoff=0.75)
        if close:
            yield f"the variable {name} is no setting; did you mean {PREFIX + close[0]!r}?"
