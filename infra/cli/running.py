"""Runs the modules behind `churn` as child processes that Ctrl-C ends completely and silently."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import click

from infra.local.environment import AIRFLOW_PYTHON, JOBS_PYTHON, ROOT, make_environment
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.engine import stop_engine

GRACE_SECONDS = 15.0


class Stopped(KeyboardInterrupt):
    """Stopped by Ctrl-C, with what continues the work."""


@dataclass(frozen=True)
class Output:
    """What a command prints beside its closing lines.

    is_quiet:   nothing but errors
    is_verbose: also what Airflow, Spark and the training say
    is_json:    the closing is one JSON object on stdout; all else goes to stderr
    """

    is_quiet: bool = False
    is_verbose: bool = False
    is_json: bool = False


@contextmanager
def printing(output: Output) -> Iterator[None]:
    """What this process prints goes to stderr if stdout is for JSON, and nowhere if the command is quiet."""
    if output.is_json or output.is_quiet:
        with redirect_stdout(sys.stderr if output.is_json else io.StringIO()):
            yield
    else:
        yield


def run_module(
    python: Path, module: str, *arguments: object, output: Output, shop: Shop | None = None, log: IO | None = None
) -> None:
    """Runs `python -m module` to its end. Exits with its exit code if that is not 0; its own error is printed by then.

    It runs in a session of its own: Ctrl-C reaches only this process, which ends the group, and the shared engine
    unless another command uses it. log: takes all output.
    """
    command = [str(python), "-m", "infra.cli.child", module, *map(str, arguments)]
    stdout = log or (subprocess.DEVNULL if output.is_quiet else sys.stderr if output.is_json else None)
    environment = make_environment([shop.path] if shop else [])
    sys.stdout.flush()
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stdout, stderr=log, start_new_session=True)
    try:
        code = child.wait()
    except BaseException:
        end_group(child)
        stop_engine(Path(environment["CHURN_HOME"]))
        raise
    if code != 0:
        raise click.exceptions.Exit(1 if code < 0 else code)


def run_job(module: str, *arguments: object, output: Output, shop: Shop | None = None, log: IO | None = None) -> None:
    run_module(JOBS_PYTHON, module, *arguments, output=output, shop=shop, log=log)


def run_dags(shop: Shop, *arguments: object, output: Output) -> None:
    """Runs DAGs of a shop without a scheduler, in Airflow's environment."""
    verbose = ("--verbose",) if output.is_verbose else ()
    run_module(AIRFLOW_PYTHON, "infra.local.run_dag", "--shop", shop.path.resolve(), *verbose, *arguments,
               output=output, shop=shop)  # fmt: skip


def replace_process(python: Path, module: str, *arguments: object) -> None:
    """Goes on as this module, which handles the terminal by itself."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execve(python, [str(python), "-m", module, *map(str, arguments)], {**os.environ, "CHURN_HOME": _home()})


def _home() -> str:
    return make_environment()["CHURN_HOME"]


def end_group(child: subprocess.Popen) -> None:
    """Ends the child, which ends its own children, and then whatever is left in its session."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        child.send_signal(number)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(GRACE_SECONDS)
            break
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # what it has started and left
