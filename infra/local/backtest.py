"""How good would the scores have been at past days? Trains and scores as of then, and compares with the outcomes.

    python -m infra.local.backtest --shop SHOP.toml --cutoffs 2011-04-09,2011-05-09

Without cut-offs: the last day whose longest horizon has passed, late files included, and 30 and 60 days before it.
Writes backtest.json and predictions.csv to CHURN_HOME/backtest/<shop>/.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta

from infra.local.environment import JOBS_PYTHON, ROOT, make_environment
from infra.local.shops import find_last_day, land_raw_files, prepare_warehouse
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.run_days import parse_day
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from training.tensors.label_delay import read_label_delay

DAYS_BEFORE_THE_LAST = (60, 30, 0)


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--cutoffs", default="", metavar="DAY,DAY", help="the past days to train at")
    parser.add_argument("--out", default="", metavar="DIR", help="where the results go")
    arguments, shop = load_arguments(parser, argv)
    cutoffs, data_until = prepare(shop, arguments.cutoffs)
    out = arguments.out or str(Settings.from_environment().home / "backtest" / shop.name)
    days = ",".join(map(str, cutoffs))
    _run("training.backtest", shop, "--cutoffs", days, "--data-until", data_until, "--out", out, "--markdown")


def prepare(shop: Shop, cutoffs_text: str) -> tuple[list[date], date]:
    """Delivers demo files and builds the series of the cut-offs; returns the cut-offs, and the last day, by which
    outcomes are known."""
    os.environ.update(make_environment([shop.path]))
    settings = Settings.from_environment()
    land_raw_files(shop, settings)
    prepare_warehouse(shop)
    data_until = find_last_day(shop, settings)
    choose_cutoffs(cutoffs_text, shop, data_until)  # fails before anything is built if a cut-off is too late
    _build_days(shop, data_until)
    delay_days = read_label_delay(Lake(settings.lake(shop.name)), shop, data_until)
    cutoffs = choose_cutoffs(cutoffs_text, shop, data_until - timedelta(days=delay_days))
    _build_series(shop, cutoffs, data_until)
    return cutoffs, data_until


def choose_cutoffs(text: str, shop: Shop, data_until: date) -> list[date]:
    """The given days, or the default ones. Raises ChurnError for a day without any known outcome.

    data_until: the last day that is delivered nearly completely.
    """
    shortest, longest = (timedelta(days=pick(shop.churn.horizons_days)) for pick in (min, max))
    if not text.strip():
        return [data_until - longest - timedelta(days=days) for days in DAYS_BEFORE_THE_LAST]
    days = sorted({parse_day(part.strip()) for part in text.split(",") if part.strip()})
    if late := [str(day) for day in days if day > data_until - shortest]:
        raise ChurnError(
            f"cut-offs {', '.join(late)}: no outcome is known yet, give days up to {data_until - shortest}"
        )
    return days


def _build_days(shop: Shop, data_until: date) -> None:
    _run("spark_jobs.clean", shop, "--as-of", data_until)
    _run("spark_jobs.customer_day", shop, "--as-of", data_until)


def _build_series(shop: Shop, cutoffs: Sequence[date], data_until: date) -> None:
    """Builds the series as known at every cut-off, and at the end, for the outcomes."""
    days = [option for day in (*cutoffs, data_until) for option in ("--as-of", day)]
    _run("spark_jobs.customer_series", shop, "--all", *days)


def _run(module: str, shop: Shop, *options: object) -> None:
    """Runs a command in the jobs' environment, which prints its own errors."""
    print(f"backtest: {module}", flush=True)
    command = [str(JOBS_PYTHON), "-m", module, "--shop", str(shop.path), *map(str, options)]
    if (code := subprocess.run(command, cwd=ROOT).returncode) != 0:
        raise ChurnError(f"{module} ended with exit code {code}: see its message above")


if __name__ == "__main__":
    sys.exit(run_command(main))
