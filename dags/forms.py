"""The parameters of the trigger forms, and the command-line options that they become.

Airflow rejects an invalid value, but silently accepts an unknown parameter such as `as_off`: refuse_unknown rejects it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from airflow.sdk import Param

from spark_jobs.contract.errors import ChurnError


def _day(title: str, description: str) -> Param:
    return Param(None, type=["null", "string"], format="date", title=title, description_md=description)


def _flag(default: bool, title: str, description: str) -> Param:
    return Param(default, type="boolean", title=title, description_md=description)


AS_OF = _day("Day", "The run processes the state at the end of this day, like `2026-11-20`. Empty: the run's "
             "partition, else the day before the run in the shop's time zone.")  # fmt: skip
FIRST_DAY = _day("First day of a range", "Instead of one day: every day from this one on …")
LAST_DAY = _day("Last day of a range", "… up to this one, at most 100 days.")
DRY_RUN = _flag(False, "Dry run", "Every task says what it would do; nothing is written.")
WAIT_FOR_FILES = _flag(True, "Wait for the day's files", "Untick to work with the files that are there.")
RESTATE = _day("Restate with", "A later, published day: the histories are rebuilt with everything delivered up to its "
               "end, and the scores that follow are flagged `is_hindsight`. Empty: only what was known that night; "
               "this also undoes an earlier restatement.")  # fmt: skip
MODEL_VERSION = Param(
    None, type=["null", "string"], pattern="^[A-Za-z0-9._-]{1,80}$", title="Model",
    description_md="A version in `model_registry`. Empty: the model that is promoted for the day.",
)  # fmt: skip
EPOCHS = Param(
    None, type=["null", "integer"], minimum=1, maximum=1000, title="Epochs",
    description_md="The largest number of passes over the training data. Empty: as in the shop's file.",
)  # fmt: skip
HISTORY_STEPS = Param(
    None, type=["null", "integer"], minimum=4, maximum=1000, title="History",
    description_md="How many steps (weeks, by default) of each customer's past the network sees. Empty: as in the "
    "shop's file.",
)  # fmt: skip
REGISTER_ONLY = _flag(False, "Register only", "Train and register: nobody is asked, nothing is promoted.")


def horizons(days: Iterable[int]) -> Param:
    """The shop's horizons, shown in the form as a constant."""
    text = ", ".join(map(str, days)) + " days"
    return Param(
        text, type="string", enum=[text], title="Horizons",
        description_md="As in the shop's file. A run cannot choose others, because every table has a column for each "
        "horizon.",
    )  # fmt: skip


def auto_promote(default: bool) -> Param:
    return _flag(default, "Promote without asking", "A model that passes the gate scores without a person's approval. "
                 "If it fails the gate, or has too few outcomes to be judged, a person is asked.")  # fmt: skip


#: Templates: a command-line option, a reason to skip, a flag for the file sensors.
IF_DRY_RUN = "{{ '--dry-run' if params.dry_run else '' }}"
SKIPPED_IN_DRY_RUN = "{{ 'dry run: nothing is published' if params.dry_run else '' }}"
WANTED_FILES = "{{ 'yes' if params.wait_for_files and not params.dry_run and not params.restate else '' }}"


def refuse_unknown(given: Iterable[str], known: Collection[str]) -> None:
    """Raises ChurnError for a parameter that the DAG does not have, and suggests the closest name."""
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"choose among {', '.join(known)}"
            raise ChurnError(f"there is no parameter {name!r}: {advice}")


def option(name: str) -> str:
    """The template that turns a parameter into `--its-name=value`, or into an empty text if it is not set."""
    return f"{{{{ '--{name.replace('_', '-')}=' ~ params.{name} if params.{name} else '' }}}}"
