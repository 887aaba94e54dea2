"""Prepares what the first job of a shop needs: its raw files and its schema in the warehouse."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path

from infra.local import warehouse
from infra.local.environment import JOBS_PYTHON, ROOT
from spark_jobs.contract.arrivals import find_delivery_day
from spark_jobs.contract.errors import ChurnError, MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import Source
from spark_jobs.runtime.job_client import make_command

DEMO_SHOPS = ROOT / "infra" / "demo"


def land_raw_files(shop: Shop, settings: Settings) -> None:
    """Writes the raw files of a demo shop, by the land.py beside its shop.toml; does nothing for other shops.

    Only for shops in this repository: a land.py beside any other shop.toml must not be run.
    """
    script = shop.path.resolve().with_name("land.py")
    if not (script.is_relative_to(DEMO_SHOPS) and script.exists()):
        return
    if subprocess.run([JOBS_PYTHON, script, "--home", settings.home]).returncode != 0:
        raise ChurnError(f"{script} failed: see its message above")


def prepare_warehouse(shop: Shop) -> None:
    """Starts the embedded warehouse if it is used, and creates the shop's schema."""
    warehouse.start(Settings.from_environment())
    command = make_command(str(JOBS_PYTHON), ["spark_jobs.warehouse", "prepare", "--shop", str(shop.path)])
    if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode != 0:
        raise ChurnError("the warehouse could not be prepared: see its message above")


def find_last_day(shop: Shop, settings: Settings) -> date:
    """The shop's end date, else the newest day in a raw file's path, else the newest night."""
    if shop.end_date:
        return shop.end_date
    days = [day for source in shop.sources.values() for day in _delivery_days(source, settings)]
    newest = max(days, default=None) or _find_newest_night(shop, settings)
    if newest is None:
        raise MissingInputError(f"{shop.name}: no raw file has a day in its path: run churn night --as-of DAY first, "
                                f"or set end_date in {shop.path}")  # fmt: skip
    return newest


def _find_newest_night(shop: Shop, settings: Settings) -> date | None:
    from spark_jobs.lake.ledger import newest_night  # Airflow's environment, which imports this module, has no lake
    from spark_jobs.lake.store import Lake

    return newest_night(Lake(settings.lake(shop.name)))


def _delivery_days(source: Source, settings: Settings) -> list[date]:
    if not source.delivery_day:
        return []
    folder = Path(source.folder(settings.home))
    paths = (str(path.relative_to(folder)) for path in folder.glob(source.files))
    named = (path for path in paths if re.search(source.delivery_day.pattern, path))
    return [find_delivery_day(path, source.delivery_day) for path in named]
