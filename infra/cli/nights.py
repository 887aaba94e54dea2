"""`churn night` and `churn train`: checks what they are given, runs the DAGs, and says what came of it."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from pathlib import Path

from infra.cli.closing import Closing, describe_duration, name_first_model, name_shop
from infra.cli.models import find_waiting, list_models
from infra.cli.running import Output, run_dags
from infra.cli.shops import find_shop
from infra.local import warehouse as local_warehouse
from infra.local.environment import read_settings
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.ledger import newest_night
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import check_as_of
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse


def run_night(given: str | None, as_of: date | None, restate: date | None, output: Output) -> None:
    """One night. Without a model that scores, only the histories are built, and the error says what is missing."""
    settings, begin = read_settings(), time.monotonic()
    shop = find_shop(given, settings)
    day = choose_day(shop, as_of)
    if restate and restate <= day:
        raise ChurnError(f"--restate {restate} must be a day after the night of {day}")
    require_files(shop, settings)
    local_warehouse.start(settings)
    warehouse = connect(settings)
    before = _visible_runs(warehouse, shop)
    has_model = _has_scorer(warehouse, shop, day)
    options = ["--restate", restate] if restate else []
    run_dags(shop, "--as-of", day, *options, *(("etl", "score") if has_model else ("etl",)), output=output)
    if not has_model:
        raise ChurnError(f"the histories of {day} are built, but not scored: {describe_lack(warehouse, shop)}")
    close_night(shop, settings, day, begin, output, f"churn open {name_shop(shop)}", before)


def run_training(given: str | None, as_of: date | None, is_approved: bool, output: Output) -> None:
    settings, begin = read_settings(), time.monotonic()
    shop = find_shop(given, settings)
    day = choose_day(shop, as_of)
    require_files(shop, settings)
    local_warehouse.start(settings)
    warehouse = connect(settings)
    before = {model.version for model in list_models(warehouse, shop)}
    newest = newest_night(Lake(settings.lake(shop.name)))
    histories = [] if newest and newest >= day else ["etl"]  # a training learns from what nights have cleaned
    approval = ["--promote"] if is_approved else []
    run_dags(shop, "--as-of", day, *approval, *histories, "train", output=output)
    close_training(shop, settings, day, begin, output, before)


def choose_day(shop: Shop, given: date | None) -> date:
    """The given day, else yesterday. Raises ChurnError for a day that is not over, or after the shop's end."""
    today = datetime.now(shop.zone).date()
    if given and given > today:
        raise ChurnError(f"{given} is in the future: in the time zone of {shop.name} it is {today}")
    day = given or today - timedelta(days=1)
    if shop.end_date and day > shop.end_date and not given:
        raise ChurnError(f"{shop.name} ended on {shop.end_date}: give --as-of, at most that day")
    check_as_of(shop, day)
    return day


def require_files(shop: Shop, settings: Settings) -> None:
    """Raises ChurnError if no raw file of the log that every night needs is there. URLs are not looked at."""
    source = shop.sources[shop.needed_log]
    folder = source.folder(settings.home)
    if "://" not in folder and not any(Path(folder).glob(source.files)):
        hint = f": `churn demo {name_shop(shop)}` delivers them" if "{home}" in source.location else ""
        raise ChurnError(f"{shop.name} has no raw file {folder}/{source.files}{hint}")


def describe_lack(warehouse: Warehouse, shop: Shop) -> str:
    """Why nothing can be scored, and the command that changes it."""
    if waiting := find_waiting(list_models(warehouse, shop)):
        return f"{waiting.kind} {waiting.version} waits: churn approve {name_shop(shop)}"
    return f"no model is trained: {name_first_model(shop)}"


def close_night(
    shop: Shop, settings: Settings, day: date | None, begin: float, output: Output, next_step: str,
    before: set[str] | None = None,
) -> None:  # fmt: skip
    """day: None for the newest. before: the ids of the runs that were visible before, to tell what is new."""
    warehouse = connect(settings)
    runs = [run for run in warehouse.published(shop) if run.superseded_at is None and day in (None, run.as_of)]
    if not runs:
        raise ChurnError(f"{shop.name} has no scores of {day}: run this again, or see {settings.home / 'logs'}")
    run = max(runs, key=lambda run: run.as_of)
    what = "already done, nothing changed" if before and run.run_id in before else f"done in {describe_duration(begin)}"
    closing = Closing()
    closing.add("night", f"{shop.name} {run.as_of}: {what}", shop=shop.name, as_of=run.as_of, run_id=run.run_id,
                is_new=not (before and run.run_id in before))  # fmt: skip
    found = warehouse.read(shop, "bands", as_of=run.as_of, run_id=run.run_id).to_pylist()
    bands = {row["band"]: row["customers"] for row in found}
    at_risk = sum(row["at_risk"] or 0 for row in found)
    counts = ", ".join(f"{bands.get(band, 0):,} {band}" for band in ("high", "medium", "low"))
    closing.add("scores", f"{run.rows:,} customers: {counts}; {at_risk:,.0f} {shop.currency} at risk",
                customers=run.rows, bands=bands, spend_at_risk=at_risk, model_version=run.model_version)  # fmt: skip
    page = Location.parse(settings.reports(shop.name)) / f"night_{run.as_of}.html"
    closing.add("page", page if page.exists() else "", page=page if page.exists() else None)
    waiting = find_waiting(list_models(warehouse, shop))
    if waiting:
        closing.add("waits", f"{waiting.kind} {waiting.version}: churn approve {name_shop(shop)}",
                    waiting=waiting.version)  # fmt: skip
    closing.add("next", next_step)
    closing.show(output)


def close_training(
    shop: Shop, settings: Settings, day: date, begin: float, output: Output, before: set[str]
) -> None:  # fmt: skip
    warehouse = connect(settings)
    models = [model for model in list_models(warehouse, shop) if model.trained_through == day]
    if not models:
        raise ChurnError(f"no model of {day} is registered: see {settings.home / 'logs'}")
    model = models[-1]
    is_new = model.version not in before
    closing = Closing()
    what = f"done in {describe_duration(begin)}" if is_new else "already done, nothing changed"
    closing.add("training", f"{shop.name} {day}: {what}", shop=shop.name, as_of=day, is_new=is_new)
    gate = warehouse.model(shop, model.version).doubts or "passed the gate"
    closing.add("model", f"{model.kind} {model.version}: {gate}", version=model.version, kind=model.kind,
                gate_passed=model.gate_passed)  # fmt: skip
    report = Location.parse(settings.reports(shop.name)) / f"report_{day}.html"
    closing.add("report", report if report.exists() else "", report=report)
    waiting = find_waiting(list_models(warehouse, shop))
    is_waiting = waiting is not None and waiting.version == model.version
    if is_waiting:
        decision = f"it scores once you approve it: churn approve {name_shop(shop)}, or churn reject {name_shop(shop)}"
        closing.add("waits", decision, waiting=model.version)
    yesterday = datetime.now(shop.zone).date() - timedelta(days=1)
    as_of = "" if day == yesterday else f" --as-of {day}"
    first = "once approved: " if is_waiting else ""
    closing.add("next", f"{first}churn night {name_shop(shop)}{as_of}; all runs and plots: churn open mlflow")
    closing.show(output)


def _visible_runs(warehouse: Warehouse, shop: Shop) -> set[str]:
    try:
        return {run.run_id for run in warehouse.published(shop) if run.superseded_at is None}
    except ChurnError:  # no schema yet
        return set()


def _has_scorer(warehouse: Warehouse, shop: Shop, day: date) -> bool:
    try:
        return warehouse.model_for(shop, day) is not None
    except ChurnError:
        return False
