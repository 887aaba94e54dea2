"""Runs a complete Airflow on this machine: nightly runs, manual triggers, approvals, backfills.

    python -m infra.local.airflow [--shops SHOP.toml or a folder of them; several are separated as in PATH]

Without --shops it uses a small simulated shop whose days are delivered while this runs, each once it is over. The first
start loads its history, and the first training waits for your approval. CHURN_AIRFLOW_PORT sets another port than 8080.
Ctrl-C ends everything; --stop ends an Airflow that was left running.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path

from rich.console import Console

from infra.local.airflow_client import wait_until
from infra.local.airflow_server import USER, AirflowServer, end_processes
from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import ROOT, choose_engine, make_environment
from infra.local.shops import land_raw_files, prepare_warehouse
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import CLASSIC, SAIL, Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.command import run_command
from spark_jobs.runtime.java import require_java

LIVE_SHOP = ROOT / "infra" / "demo" / "live" / "shop.toml"
POLL_SECONDS = 30  # between checks whether a day is over
NEXT_STEPS = """
What to do there:
  Dags                 churn_etl, churn_score, churn_train, churn_maintenance of each shop; a DAG's Docs are its runbook
  Required Actions     after a training, approve its model here; then the newest night is scored with it
  a DAG, Trigger       a form for a day or a range, or a dry run; Backfill runs a whole month again
  a run, a task, Logs  what each job did; tasks with a report link to it
In another terminal: make status, make sql. Ctrl-C ends everything."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", default="", metavar="PATH", help="shop.toml files, or folders of them")
    parser.add_argument("--stop", action="store_true", help="end the Airflow of this CHURN_HOME")
    arguments = parser.parse_args(argv)
    settings = Settings.from_environment()
    if arguments.stop:
        print("Airflow is stopped" if end_processes(settings.home) else "Airflow was not running")
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # a shell ignores SIGINT for background processes
    files = find_shop_files(arguments.shops)
    # Tasks may run beside each other: a Spark of its own gives each its own memory.
    engine = os.environ.get("CHURN_ENGINE") or choose_engine(os.environ, files, otherwise=CLASSIC)
    os.environ["CHURN_ENGINE"] = engine
    os.environ.update(make_environment(files))
    if engine != SAIL and not settings.spark_remote:
        require_java()
    with suppress(KeyboardInterrupt):
        serve(Settings.from_environment(), [load_shop(file) for file in files], is_tour=not arguments.shops)


def find_shop_files(text: str) -> list[Path]:
    """The given shop.toml files, by default the live shop's. Raises ChurnError if there are none."""
    if not text.strip():
        return [LIVE_SHOP]
    paths = [Path(part) for part in text.split(os.pathsep) if part]
    files = [file for path in paths for file in (sorted(path.rglob("shop.toml")) if path.is_dir() else [path])]
    if not files:
        raise ChurnError(f"{text}: contains no shop.toml")
    return files


def serve(settings: Settings, shops: Sequence[Shop], is_tour: bool) -> None:
    """Runs until Ctrl-C, or until Airflow ends by itself, which is an error."""
    console = Console(highlight=False)
    server = AirflowServer(settings, [shop.path for shop in shops], settings.airflow_port)
    server.require_free()
    try:
        for shop in shops:
            land_raw_files(shop, settings)
            prepare_warehouse(shop)
        start(server, console)
        if is_tour:
            load_history(server, shops[0], console)
        client = server.client()
        for dag_id in client.list_dags():
            client.unpause(dag_id)
        console.print(f"\nAirflow: {server.url}   user {USER}   password {server.password}", soft_wrap=True)
        console.print(NEXT_STEPS, soft_wrap=True)
        watch(server, shops, settings)
    finally:
        console.print("\nstopping Airflow", soft_wrap=True)
        server.stop()
        EmbeddedPostgres(settings.home).stop()


def start(server: AirflowServer, console: Console) -> None:
    begin = time.monotonic()
    with console.status("starting Airflow") as status:
        server.start(lambda waiting: status.update(f"starting Airflow, {time.monotonic() - begin:.0f} s: {waiting}"))
    console.print(f"Airflow is up ({time.monotonic() - begin:.0f} s)")


def load_history(server: AirflowServer, shop: Shop, console: Console) -> None:
    """At the first start: runs the newest night, which loads the whole history. Raises ChurnError if it fails.

    Scoring stays paused meanwhile, because it would fail as long as no model is approved.
    """
    client, etl = server.client(), f"churn_etl__{shop.name}"
    if any(run["state"] == "success" for run in client.runs(etl)):
        return
    console.print(f"first start: {shop.title} loads its history, some minutes; watch it on {server.url}, user {USER},"
                  f" password {server.password}", soft_wrap=True)  # fmt: skip
    client.unpause(etl)
    begin = time.monotonic()
    with console.status(etl):
        night = wait_until(lambda: client.runs(etl), 120, f"a run of {etl}")[0]
        state = client.wait_for_run(etl, night["dag_run_id"], seconds=3600)["state"]
    if state != "success":
        raise ChurnError(f"{etl} failed: its tasks' logs in CHURN_HOME/logs/airflow say why; repeating is safe")
    console.print(f"the night of {night['partition_key']} is there ({time.monotonic() - begin:.0f} s)")


def watch(server: AirflowServer, shops: Sequence[Shop], settings: Settings) -> None:
    """Delivers each demo shop's day once it is over. Raises ChurnError if Airflow ends by itself."""
    landed = {shop.name: yesterday(shop) for shop in shops}
    while True:
        time.sleep(POLL_SECONDS)
        server.check()
        for shop in shops:
            if landed[shop.name] < yesterday(shop):
                land_raw_files(shop, settings)
                landed[shop.name] = yesterday(shop)


def yesterday(shop: Shop) -> date:
    return datetime.now(shop.zone).date() - timedelta(days=1)


if __name__ == "__main__":
    sys.exit(run_command(main))
