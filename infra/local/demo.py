"""The demo: runs the whole pipeline on a shop's real data, from raw logs to calibrated risks in the warehouse.

Runs the real DAGs: one load of everything up to two days before the end, one training, then the last two nights. Then
shows the customers at risk, the model's metrics beside those of simpler ones, and the next steps. Repeating it is quick
and changes nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta

from infra.local.environment import AIRFLOW_PYTHON, ROOT, make_environment
from infra.local.results import show_results
from infra.local.shops import find_last_day, land_raw_files
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.runtime.screen import make_console, make_rich_console


def main(argv: Sequence[str] | None = None) -> None:
    _, shop = load_arguments(make_parser(__doc__, with_as_of=False), argv)
    os.environ.update(make_environment([shop.path]))
    settings, console = Settings.from_environment(), make_rich_console()
    console.rule(f"1 of 3  {shop.title}: raw files")
    land_raw_files(shop, settings)
    last_day = find_last_day(shop, settings)
    console.rule(f"2 of 3  the DAGs, up to {last_day}")
    runs = list_runs(last_day)
    _run([AIRFLOW_PYTHON, "-m", "infra.local.run_dag", "--shop", shop.path, "--promote", *runs])
    console.rule("3 of 3  what came out")
    show_results(make_console(), settings, shop, last_day)


def list_runs(last_day: date) -> list[str]:
    """The runs of the demo: a first load, a training, and the next two nights."""
    first, second = last_day - timedelta(days=2), last_day - timedelta(days=1)
    nights = [f"{pipeline}@{day}" for day in (second, last_day) for pipeline in ("etl", "score")]
    return [f"etl@{first}", f"train@{first}", *nights]


def _run(command: Sequence[object]) -> None:
    if (code := subprocess.run([str(word) for word in command], cwd=ROOT).returncode) != 0:
        raise ChurnError(f"the demo stopped (exit code {code}): see the message above; repeat to continue")


if __name__ == "__main__":
    sys.exit(run_command(main))
