"""`churn open`: the newest pages of a shop in the browser."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from pathlib import Path

import click

from infra.cli.closing import name_shop
from infra.cli.running import Output, run_job
from infra.cli.shops import find_shop
from infra.local.environment import read_settings
from infra.local.ports import is_free
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.lake.location import Location

MLFLOW_PORT = 5000


def open_pages(what: str, given: str | None) -> None:
    settings = read_settings()
    if what == "mlflow":
        serve_mlflow(settings)
        return
    shop = find_shop(given, settings)
    page = find_newest(Location.parse(settings.reports(shop.name)), what)
    if page is None:
        verb = "night" if what == "night" else "train"
        raise ChurnError(f"{shop.name} has no {what} page yet: churn {verb} {name_shop(shop)}")
    click.echo(page)
    if not page.is_local:  # a browser opens no s3://
        copy = Location.parse(settings.home) / "reports" / shop.name / page.name
        copy.write_bytes(page.read_bytes())
        page = copy
    webbrowser.open(Path(page).as_uri())


def find_newest(folder: Location, what: str) -> Location | None:
    """The newest page of this kind, by the day in its name."""
    return max(folder.list_files(f"{what}_*.html"), default=None, key=lambda page: page.name)


def serve_mlflow(settings: Settings) -> None:
    """Runs MLflow's pages until Ctrl-C, or opens those of the server that CHURN_MLFLOW_URI names."""
    uri = settings.mlflow_tracking_uri
    if uri.startswith("http"):
        click.echo(uri)
        webbrowser.open(uri)
        return
    port = next((port for port in range(MLFLOW_PORT, MLFLOW_PORT + 100) if is_free(port)), MLFLOW_PORT)
    log_file = settings.home / "logs" / "mlflow.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    click.echo(f"MLflow: http://127.0.0.1:{port}, in some seconds; Ctrl-C ends it, its output is in {log_file}")
    with log_file.open("wb") as log, suppress(KeyboardInterrupt):
        run_job("mlflow", "ui", "--backend-store-uri", uri, "--port", port, "--workers", 1, output=Output(), log=log)
