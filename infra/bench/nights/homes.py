"""The shops that are measured: the simulated shop of each size, with its whole history and with its second half.

Their raw files are in a folder each; every engine gets a home of its own beside it, with links to them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from infra.demo.simulated.simulate import FIRST_DAY, LOGS, SHOP
from infra.local.environment import JOBS_PYTHON, ROOT, make_environment
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import EMBEDDED, Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.engine import stop_engine
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.records import ModelRecord

SHOP_FILE = ROOT / "infra" / "demo" / "simulated" / "shop.toml"
#: Of the history that the first load reads; the night after it is measured too.
HISTORY_DAYS = 361
LOADED_DAY = FIRST_DAY + timedelta(HISTORY_DAYS - 1)
NIGHT = LOADED_DAY + timedelta(1)
HALF_DAY = FIRST_DAY + timedelta(HISTORY_DAYS // 2)
MERGES_FILE = "merged_customers.csv"


def make_home(folder: Path, customers: int) -> Path:
    """A CHURN_HOME with the raw files of so many customers, and nothing else."""
    home = clear_home(folder / f"{customers}")
    if not (home / "truth" / SHOP / "planted.json").exists():
        command: list[str | Path] = [JOBS_PYTHON, "-m", "infra.demo.simulated.simulate", "--home", home,
                   "--customers", str(customers), "--days", str(HISTORY_DAYS + 1)]  # fmt: skip
        environment = make_environment([SHOP_FILE], {**pass_on(), "CHURN_HOME": str(home)})
        if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
            raise ChurnError(f"{customers:,} customers could not be simulated: see the message above")
        stop_engine(home)  # a simulation leaves it running
    return home


def lend_home(raw: Path, engine: str) -> Path:
    """An empty CHURN_HOME for the engine with the raw files and the secret keys of this one, so that all engines make
    the same rows."""
    home = raw.with_name(f"{raw.name}_{engine}")
    shutil.rmtree(home, ignore_errors=True)
    Settings(raw).id_key()
    for name in ("landing", "secrets"):
        shutil.copytree(raw / name, home / name, copy_function=os.link)
    return home


def make_engine_environment(home: Path, engine: str) -> dict[str, str]:
    """The environment of an engine's runs in this home, whatever this process's environment says of engines."""
    given = {"CHURN_HOME": str(home), "CHURN_WAREHOUSE_URL": EMBEDDED, "CHURN_ENGINE": engine}
    return make_environment([SHOP_FILE], pass_on() | given)


def pass_on() -> dict[str, str]:
    """Where this process finds programs, Java too."""
    return {name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ}


def halve_home(home: Path) -> Path:
    """The same shop without the first half of its files: as many customers and events a night, half the history."""
    half = clear_home(home.with_name(f"{home.name}_half"))
    for log in LOGS:
        raw, target = home / "landing" / SHOP / log, half / "landing" / SHOP / log
        target.mkdir(parents=True, exist_ok=True)
        for file in raw.iterdir():
            if file.name[:10] >= str(HALF_DAY) and not (target / file.name).exists():
                os.link(file, target / file.name)
    shutil.copy(home / "landing" / SHOP / MERGES_FILE, half / "landing" / SHOP)
    return half


def clear_home(home: Path) -> Path:
    """Removes what an earlier run left, but for the raw files."""
    home.mkdir(parents=True, exist_ok=True)
    for left in home.iterdir():
        if left.name not in ("landing", "truth"):
            shutil.rmtree(left)
    return home


def keep_model(home: Path, folder: Path) -> ModelRecord | None:
    """The model that scores all homes: the one that was kept in the folder, else the one trained in this home."""
    kept = folder / "model"
    trained = Path(Settings(home).models(SHOP))
    if not kept.exists() and trained.exists():
        shutil.copytree(trained, kept)
    for record in kept.glob("trainings/*.json"):
        values = json.loads(record.read_text())
        return replace(
            ModelRecord(**values),
            location=str(kept / Path(values["location"]).name),
            trained_through=date.fromisoformat(values["trained_through"]),
            created_at=datetime.fromisoformat(values["created_at"]),
        )
    return None


def lend_model(model: ModelRecord, shop: Shop, settings: Settings) -> None:
    """Lets the model score the nights of this home."""
    warehouse = connect(settings)
    warehouse.prepare(shop)
    warehouse.register_model(shop, model)
    warehouse.promote_model(shop, model.version, model.trained_through)
