"""The entry point of `churn` and of `python -m infra.cli`: the right environment, then exit codes.

0 done; 1 an error in one line that says what to do; 2 wrong usage; 130 stopped by Ctrl-C; the same command continues.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from secrets import token_hex

import click

from infra.cli.running import Stopped
from infra.cli.variables import find_misspelt
from infra.local.environment import AIRFLOW_PYTHON, JOBS_ENVIRONMENT, JOBS_PYTHON, ROOT
from spark_jobs.contract.errors import ChurnError
from spark_jobs.runtime.logs import json_lines

STOPPED = "stopped; run this again to continue"


def main(argv: Sequence[str] | None = None) -> None:
    """Exits the process."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Runs one command line and returns the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # not in the main thread
            signal.signal(number, signal.default_int_handler)  # a shell ignores SIGINT for background processes
    os.environ.setdefault("CHURN_RUN_ID", token_hex(8))
    try:
        with json_lines(with_stdout=False):
            return run_verb(argv)
    except ChurnError as error:  # of CHURN_LOG itself
        print(f"error: {error}", file=sys.stderr)
        return 1


def run_verb(argv: Sequence[str]) -> int:
    from infra.cli.commands import churn

    try:
        enter_jobs_environment(argv)
        for message in find_misspelt(os.environ):
            raise ChurnError(message)
        return churn.main(args=list(argv), prog_name="churn", standalone_mode=False) or 0  # the code of an Exit
    except click.exceptions.NoArgsIsHelpError as help_page:
        print(help_page.format_message())
        return 0
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "churn"
        print(f"error: {error.format_message().rstrip('.')}; see {where} --help", file=sys.stderr)
        return 2
    except (ChurnError, click.ClickException) as error:
        if text := str(error):
            print(f"error: {text}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, click.Abort) as stop:  # click makes an Abort of it, after ending the line of the ^C
        cause = stop.__cause__ if isinstance(stop, click.Abort) else stop
        print(cause if isinstance(cause, Stopped) else STOPPED, file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe, like `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


def enter_jobs_environment(argv: Sequence[str]) -> None:
    """Replaces this process by the same command in the jobs' environment, if it runs in Airflow's."""
    missing = [python for python in (JOBS_PYTHON, AIRFLOW_PYTHON) if not python.exists()]
    if missing:
        raise ChurnError(f"{missing[0].parents[1]} is missing: run `make setup` in {ROOT}")
    if sys.prefix == str(AIRFLOW_PYTHON.parents[1]) != str(JOBS_ENVIRONMENT):
        os.execv(JOBS_PYTHON, [str(JOBS_PYTHON), "-m", "infra.cli", *argv])


if __name__ == "__main__":
    main()
