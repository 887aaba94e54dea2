"""What does Airflow add to a night? Runs nights by hand and through a live Airflow in turn.

    python -m infra.bench.airflow [--shop SHOP.toml] [--rounds 2]

By hand the commands run one after the other. Through Airflow the time from the trigger to the end of the scoring is
measured, including the scheduler and waits between tasks. CPU seconds are of all processes, Airflow's and the engine's
too. Everything is in a temporary CHURN_HOME, which is deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from infra.bench.processes import adopt_orphans
from infra.bench.session import Spent, time_it
from infra.local.airflow_client import AirflowClient, wait_until
from infra.local.airflow_server import AirflowServer
from infra.local.environment import JOBS_PYTHON, ROOT, make_environment
from infra.local.shops import find_last_day, land_raw_files, prepare_warehouse
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.command import run_command
from spark_jobs.runtime.engine import stop_engine

DEMO_SHOP = ROOT / "infra" / "demo" / "online_retail" / "shop.toml"
HISTORIES = (["spark_jobs.clean"], ["spark_jobs.customer_day"], ["spark_jobs.customer_series"],
             ["spark_jobs.publish", "--pipeline", "etl"])  # fmt: skip
SCORES = (["spark_jobs.churn_risk"], ["training.drift"], ["spark_jobs.publish", "--pipeline", "score"],
          ["spark_jobs.warehouse", "load"], ["spark_jobs.night_report"])  # fmt: skip
TRAINING = (["spark_jobs.customer_series", "--all"], ["spark_jobs.publish", "--pipeline", "train"],
            ["training.train", "--promote"])  # fmt: skip
PATIENCE_SECONDS = 1800
#: The day and the cost of a night by hand, and of the next one through Airflow.
Round = tuple[date, Spent, date, Spent]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=DEMO_SHOP, metavar="SHOP.toml", help="by default the demo's")
    parser.add_argument("--rounds", type=int, default=2, help="the number of nights each way")
    arguments = parser.parse_args(argv)
    shop, console = load_shop(arguments.shop), Console(highlight=False)
    adopt_orphans()
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
            stop_engine(settings.home)  # it would write to the folder while that is deleted
            subprocess.run([JOBS_PYTHON, "-m", "infra.local.warehouse", "stop"], cwd=ROOT)


def measure(server: AirflowServer, shop: Shop, last_day: date, rounds: int, console: Console) -> list[Round]:
    """For every round a night by hand, and the next night through Airflow."""
    nights = [last_day - timedelta(days=ago) for ago in range(2 * rounds - 1, -1, -1)]
    before = nights[0] - timedelta(days=1)
    console.print(f"loading the history up to {before}, and training")
    run_by_hand(shop, before, *HISTORIES, *TRAINING)  # not measured
    console.print("starting Airflow")
    server.start()
    client, found = server.client(), []
    for by_hand, by_airflow in zip(nights[::2], nights[1::2], strict=True):
        hand = time_it(partial(run_by_hand, shop, by_hand, *HISTORIES, *SCORES))
        for dag_id in name_dags(shop):
            client.unpause(dag_id)
        airflow = time_it(partial(run_by_airflow, client, shop, by_airflow))
        console.print(f"{by_hand} by hand {hand.seconds:.0f} s, {by_airflow} through Airflow {airflow.seconds:.0f} s")
        found.append((by_hand, hand, by_airflow, airflow))
    return found


def run_by_hand(shop: Shop, as_of: date, *commands: Sequence[str]) -> None:
    """Runs the commands one after the other."""
    for module, *options in commands:
        command: list[str | Path] = [JOBS_PYTHON, "-m", module, *options, "--shop", shop.path, "--as-of", str(as_of)]
        if (done := subprocess.run(command, cwd=ROOT, capture_output=True, text=True)).returncode != 0:
            raise ChurnError(f"{module} as of {as_of} failed: {(done.stderr or done.stdout).strip().splitlines()[-1]}")


def name_dags(shop: Shop) -> tuple[str, str]:
    return f"churn_etl__{shop.name}", f"churn_score__{shop.name}"


def run_by_airflow(client: AirflowClient, shop: Shop, as_of: date) -> None:
    """From the trigger to the end of the scoring."""
    etl, score = name_dags(shop)
    await_success(client, etl, client.trigger(etl, as_of=str(as_of)))

    def find_scoring() -> str | None:
        return next((run["dag_run_id"] for run in client.runs(score) if run["partition_key"] == str(as_of)), None)

    await_success(client, score, wait_until(find_scoring, PATIENCE_SECONDS, f"{score} of {as_of}"))


def await_success(client: AirflowClient, dag_id: str, run_id: str) -> None:
    if client.wait_for_run(dag_id, run_id, PATIENCE_SECONDS)["state"] != "success":
        raise ChurnError(f"{dag_id} {run_id} failed: see its tasks' logs")


def show(console: Console, rounds: Sequence[Round]) -> None:
    table = Table("by hand", "s", "CPU s", "through Airflow", "s", "CPU s")
    for hand_day, hand, airflow_day, airflow in rounds:
        table.add_row(str(hand_day), f"{hand.seconds:.0f}", f"{hand.cpu_seconds:.0f}",
                      str(airflow_day), f"{airflow.seconds:.0f}", f"{airflow.cpu_seconds:.0f}")  # fmt: skip
    console.print(table)
    seconds = median(airflow.seconds - hand.seconds for _, hand, _, airflow in rounds)
    cpu_seconds = median(airflow.cpu_seconds - hand.cpu_seconds for _, hand, _, airflow in rounds)
    console.print(f"Airflow adds {seconds:.0f} s and {cpu_seconds:.0f} CPU s to a night (medians).")


if __name__ == "__main__":
    sys.exit(run_command(main))
