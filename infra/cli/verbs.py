"""The verbs of `churn` that mainly hand over to a module."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from infra.cli.closing import Closing, describe_duration, name_shop
from infra.cli.running import Output, replace_process, run_job, run_module
from infra.cli.shops import find_shop
from infra.local.environment import AIRFLOW_PYTHON, JOBS_PYTHON, read_settings
from infra.local.shops import DEMO_SHOPS
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.toml_section import nearest
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, churn_risk

LOUD = Output()


def run_demo(given: str | None, output: Output) -> None:
    from infra.cli.nights import close_night

    settings = read_settings()
    shop = find_shop(given or str(DEMO_SHOPS / "online_retail"), settings)
    begin = time.monotonic()
    run_job("infra.local.demo", "--shop", shop.path.resolve(), output=output, shop=shop)
    close_night(shop, settings, None, begin, output, "churn stop ends the warehouse; churn init FILE… is for your shop")


def show_status(given: str | None, as_json: bool) -> None:
    from infra.local.status import check_status

    settings = read_settings()
    check_status(find_shop(given, settings), settings, as_json)


def open_sql(arguments: Sequence[str], given: str | None) -> None:
    shop = find_shop(given, read_settings())
    replace_process(JOBS_PYTHON, "infra.local.warehouse", "psql", "--shop", shop.path.resolve(), *arguments)


def rebuild_lake(given: str | None, table: str | None, first: date | None, last: date | None, output: Output) -> None:
    begin, settings = time.monotonic(), read_settings()
    shop = find_shop(given, settings)
    if first and last and first > last:
        raise ChurnError(f"--from {first} is after --to {last}: swap them")
    names = [*shop.sources, CUSTOMER_DAY.name, CUSTOMER_SERIES.name, churn_risk(shop.churn.horizons_days).name]
    if table and table not in names:
        raise ChurnError(f"{table!r} cannot be rebuilt{nearest(table, names)}; choose among {', '.join(names)}")
    chosen = (("--table", table), ("--from", first), ("--to", last))
    options = [word for name, value in chosen if value for word in (name, value)]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        run_job("spark_jobs.rebuild", "--shop", shop.path.resolve(), "--result", result, *options, output=output,
                shop=shop)  # fmt: skip
        days = json.loads(result.read_text())
    closing = Closing()
    words = ", ".join(f"{count:,} of {name}" for name, count in days.items())
    closing.add("rebuild", f"{shop.name}: days {words}, in {describe_duration(begin)}", shop=shop.name, days=days)
    closing.add("next", f"churn night {name_shop(shop)} loads what has changed; churn status {name_shop(shop)}")
    closing.show(output)


def start_airflow(shops: str) -> None:
    paths = [Path(part).resolve() for part in shops.split(os.pathsep) if part]
    if missing := [str(path) for path in paths if not path.exists()]:
        raise ChurnError(f"there is no {', '.join(missing)}")
    options = ["--shops", os.pathsep.join(map(str, paths))] if paths else []
    replace_process(AIRFLOW_PYTHON, "infra.local.airflow", *options)


def stop_all() -> None:
    run_module(AIRFLOW_PYTHON, "infra.local.airflow", "--stop", output=LOUD)
    run_job("spark_jobs.runtime.engine", "stop", output=LOUD)
    run_job("infra.local.cluster", "stop", output=LOUD)
    run_job("infra.local.warehouse", "stop", output=LOUD)
    closing = Closing()
    closing.add("next", "nothing has to be started again: every command starts what it needs")
    closing.show(LOUD)
