"""Replays past nights of a shop as if they were new, and evaluates their scores and contact plans.

    python -m infra.bench.replay --shop infra/demo/online_retail/shop.toml

Works in CHURN_HOME/replay, with its own warehouse, and changes nothing outside. A model is trained and promoted on the
day before the first night. The nights run through the DAGs, a week apart; the primary horizon of the last one has just
passed. Then outcomes are shown, and drift as of the last day.

Nobody was contacted because of these plans, so the true lift is zero. The nights are planned repeatedly with different
keys of the control group, each as on the morning after it: about 95 % of the intervals of contact_lift should contain
zero.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import date, datetime, time, timedelta
from hashlib import sha256

import numpy as np
from rich.console import Console

from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import AIRFLOW_PYTHON, ROOT, make_environment, read_settings
from infra.local.shops import find_last_day, land_raw_files
from spark_jobs import contact_plan
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.contract.shop.model import Contact, Shop
from spark_jobs.contract.warehouse_tables import CONTACT_PLAN
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from training import drift, outcomes

NIGHTS, DRAWS = 5, 40


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__, with_as_of=False)
    parser.add_argument("--nights", type=int, default=NIGHTS, metavar="N", help="number of nights, a week apart")
    parser.add_argument("--draws", type=int, default=DRAWS, metavar="N", help="number of keys of the control group")
    arguments, shop = load_arguments(parser, argv)
    if read_settings().warehouse_url != EMBEDDED:
        raise ChurnError(
            "a replay needs the embedded warehouse, so that nobody sees past nights: unset CHURN_WAREHOUSE_URL"
        )
    os.environ["CHURN_HOME"] = str(Settings.from_environment().home / "replay")
    os.environ.update(make_environment([shop.path]))
    settings = Settings.from_environment()
    land_raw_files(shop, settings)
    last_day = find_last_day(shop, settings)
    try:
        nights = list_nights(shop, last_day, arguments.nights)
        replay(shop, nights, last_day)
        warehouse, console = connect(settings), Console(highlight=False)
        show(Lake(settings.lake(shop.name)), warehouse, shop, last_day, console)
        if shop.contact:
            console.print(plan_with_keys(warehouse, shop, shop.contact, nights, arguments.draws))
    finally:
        EmbeddedPostgres(settings.home).stop()


def list_nights(shop: Shop, last_day: date, count: int) -> list[date]:
    newest = last_day - timedelta(days=shop.churn.primary_horizon_days)
    return [newest - timedelta(weeks=n) for n in range(count - 1, -1, -1)]


def replay(shop: Shop, nights: Sequence[date], last_day: date) -> None:
    """Runs the training, the nights, and the ETL of the last day, for the outcomes."""
    before = nights[0] - timedelta(days=1)
    runs = [f"{pipeline}@{night}" for night in nights for pipeline in ("etl", "score")]
    command = [AIRFLOW_PYTHON, "-m", "infra.local.run_dag", "--shop", shop.path, "--promote",
               f"etl@{before}", f"train@{before}", *runs, f"etl@{last_day}"]  # fmt: skip
    if (code := subprocess.run([str(word) for word in command], cwd=ROOT).returncode) != 0:
        raise ChurnError(f"the nights stopped (exit code {code}): see the message above; repeat to continue from there")


def show(lake: Lake, warehouse: Warehouse, shop: Shop, last_day: date, console: Console) -> None:
    outcomes.run(lake, warehouse, shop, last_day)
    console.rule("outcomes")
    outcomes.show(warehouse.read(shop, "outcomes").to_pylist(), console)
    console.rule(f"drift, as of {last_day}")
    drift.show(drift.monitor_night(lake, warehouse, shop, last_day), console)


def plan_with_keys(warehouse: Warehouse, shop: Shop, contact: Contact, nights: Sequence[date], draws: int) -> str:
    """A sentence with the means of contact_lift over the keys."""
    found = []
    for number in range(draws):
        warehouse.replace(shop, CONTACT_PLAN, [])
        with redirect_stdout(None):
            for night in nights:
                morning = datetime.combine(night + timedelta(days=1), time(6), shop.zone)
                key = sha256(b"%d" % number).digest()
                contact_plan.run_day(warehouse, shop, contact, night, key, morning)
        found += [
            lift for lift in warehouse.read(shop, "contact_lift").to_pylist()
            if lift["month"] is None and min(lift["n_contacted"], lift["n_control"]) > 1
        ]  # fmt: skip
    if not found:
        return "too few customers are worth a contact to measure a lift"
    mean = {name: float(np.mean([row[name] for row in found])) for name in ("n_control", "lift")}
    holds, spend_holds = (
        np.mean([row[f"{name}_low"] <= 0 <= row[f"{name}_high"] for row in found]) for name in ("lift", "spend_lift")
    )
    return (
        f"{len(found)} draws of {mean['n_control']:.0f} control customers: the lift is {mean['lift']:+.3f} on average,"
        f" zero lies in {holds:.0%} of its intervals and in {spend_holds:.0%} of those of the spend"
    )


if __name__ == "__main__":
    sys.exit(run_command(main))
