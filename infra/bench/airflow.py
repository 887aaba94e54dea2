"""How much time does Airflow add to a night? Runs nights by hand and through a live Airflow in turn.

    python -m infra.bench.airflow [--shop SHOP.toml] [--rounds 2]

By hand the commands run one after the other. Through Airflow the time from the trigger to the end of the scoring is
measured, including the scheduler, waits between tasks and the start of an interpreter for each task. Everything is in a
temporary CHURN_HOME, which is deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from infra.local.airflow_client import AirflowClient, wait_until
from infra.local.airflow_server import AirflowServer
from infra.local.environment import JOBS_PYTHON, ROOT, make_environment
from infra.local.shops import find_last_day, land_raw_files, prepare_warehouse
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.command import run_command

DEMO_SHOP = ROOT / "infra" / "demo" / "online_retail" / "shop.toml"
HISTORIES = (["spark_jobs.clean"], ["spark_jobs.customer_day"], ["spark_jobs.customer_series"],
             ["spark_jobs.publish", "--pipeline", "etl"])  # fmt: skip
SCORES = (["spark_jobs.churn_risk"], ["training.drift"], ["spark_jobs.publish", "--pipeline", "score"],
          ["spark_jobs.warehouse", "load"], ["spark_jobs.night_report"])  # fmt: skip
TRAINING = (["spark_jobs.customer_series", "--all"], ["spark_jobs.publish", "--pipeline", "train"],
            ["training.train", "--promote"])  # fmt: skip
PATIENCE_SECONDS = 1800


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=DEMO_SHOP, metavar="SHOP.toml", help="by default the demo's")
    parser.add_argument("--rounds", type=int, default=2, help="the number of nights each way")
    arguments = parser.parse_args(argv)
    shop, console = load_shop(arguments.shop), Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="churn_bench_") as folder:
        os.environ.update(make_environment([shop.path], {**os.environ, "CHURN_HOME": folder}))
        settings = Settings.from_environment()
        land_raw_files(shop, settings)
        prepare_warehouse(shop)
        server = AirflowServer(settings, [shop.path], settings.airflow_port)
        server.require_free()
        try:
            show(console, measure(server, shop, find_last_day(shop, settings), arguments.rounds, console))
        finally:
            server.stop()
            subprocess.run([JOBS_PYTHON, "-m", "infra.local.warehouse", "stop"], cwd=ROOT)


def measure(
    server: AirflowServer, shop: Shop, last_day: date, rounds: int, console: Console
) -> list[tuple[date, float, date, float]]:
    """For every round the day and the seconds of a night by hand, and those of the next night through Airflow."""
    nights = [last_day - timedelta(days=ago) for ago in range(2 * rounds - 1, -1, -1)]
    before = nights[0] - timedelta(days=1)
    console.print(f"loading the history up to {before}, and training")
    run_by_hand(shop, before, *HISTORIES, *TRAINING)
    console.print("starting Airflow")
    server.start()
    client, found = server.client(), []
    for by_hand, by_airflow in zip(nights[::2], nights[1::2], strict=True):
        hand, airflow = run_by_hand(shop, by_hand, *HISTORIES, *SCORES), run_by_airflow(client, shop, by_airflow)
        console.print(f"{by_hand} by hand {hand:.0f} s, {by_airflow} through Airflow {airflow:.0f} s")
        found.append((by_hand, hand, by_airflow, airflow))
    return found


def run_by_hand(shop: Shop, as_of: date, *commands: Sequence[str]) -> float:
    """Runs the commands one after the other; returns the seconds they took."""
    begin = time.monotonic()
    for module, *options in commands:
        command: list[str | Path] = [JOBS_PYTHON, "-m", module, *options, "--shop", shop.path, "--as-of", str(as_of)]
        if (done := subprocess.run(command, cwd=ROOT, capture_output=True, text=True)).returncode != 0:
            raise ChurnError(f"{module} as of {as_of} failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return time.monotonic() - begin


def run_by_airflow(client: AirflowClient, shop: Shop, as_of: date) -> float:
    """The seconds from the trigger to the end of the scoring."""
    etl, score = f"churn_etl__{shop.name}", f"churn_score__{shop.name}"
    for dag_id in (etl, score):
        client.unpause(dag_id)
    begin = time.monotonic()
    await_success(client, etl, client.trigger(etl, as_of=str(as_of)))

    def find_scoring() -> str | None:
        return next((run["dag_run_id"] for run in client.runs(score) if run["partition_key"] == str(as_of)), None)

    await_success(client, score, wait_until(find_scoring, PATIENCE_SECONDS, f"{score} of {as_of}"))
    return time.monotonic() - begin


def await_success(client: AirflowClient, dag_id: str, run_id: str) -> None:
    if client.wait_for_run(dag_id, run_id, PATIENCE_SECONDS)["state"] != "success":
        raise ChurnError(f"{dag_id} {run_id} failed: see its tasks' logs")


def show(console: Console, rounds: Sequence[tuple[date, float, date, float]]) -> None:
    table = Table("by hand", "seconds", "through Airflow", "seconds", "more")
    for hand_day, hand, airflow_day, airflow in rounds:
        table.add_row(str(hand_day), f"{hand:.0f}", str(airflow_day), f"{airflow:.0f}", f"{airflow - hand:+.0f}")
    console.print(table)
    console.print(f"Airflow adds {median(row[3] - row[1] for row in rounds):.0f} s to a night (median).")


if __name__ == "__main__":
    sys.exit(run_command(main))
