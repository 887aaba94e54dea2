"""`churn backup` and `churn restore`: all state of CHURN_HOME and its warehouse in one file.

What CHURN_LAKE keeps elsewhere (lake, models, reports, corrected records) is not in it: the versions and replicas of
the object store protect that.

The file is a tar archive. Under `home/` it has what cannot be made again or would take long: secrets, corrected
records, lake, models, reports, MLflow's runs and the list of shops; `warehouse.dump` is PostgreSQL's custom format.
Raw files, logs and Airflow's own records are left out.
"""

from __future__ import annotations

import fcntl
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.cli.closing import Closing
from infra.cli.running import Output
from infra.cli.shops import FILE_NAME, list_shops
from infra.local import warehouse as local_warehouse
from infra.local.environment import ROOT, read_settings
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.runtime.screen import make_rich_console
from spark_jobs.runtime.waiting import waiting
from spark_jobs.warehouse.connection import connect

KEPT = ("secrets", "fixes", "lake", "models", "reports", "mlflow.db", "mlruns", "mlartifacts", FILE_NAME)
#: The embedded server's own password, which is another one in another CHURN_HOME.
LEFT_OUT = "secrets/warehouse_password"
ROLES = ROOT / "infra" / "warehouse" / "roles.sql"
#: The dump, and the CHURN_HOME that was backed up.
DUMP, ORIGIN = "warehouse.dump", "origin"


def back_up(file: Path, output: Output) -> None:
    settings = read_settings()
    target = file.resolve()
    if target.exists():
        raise ChurnError(f"{file} exists: give another name, or remove it")
    if not target.parent.is_dir():
        raise ChurnError(f"there is no folder {target.parent}")
    if settings.lake_place is None and not (settings.home / "lake").is_dir():
        raise ChurnError(f"{settings.home} has no lake, so there is nothing to back up: set CHURN_HOME")
    local_warehouse.start(settings)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            no_runs(settings),
            waiting(make_rich_console(sys.stderr), f"writing {file}", "backup", settings.home),
            tempfile.TemporaryDirectory(dir=target.parent) as folder,
            draft.open("wb") as stream,
        ):
            os.fchmod(stream.fileno(), 0o600)  # it holds keys and customer ids
            dump = Path(folder, DUMP)
            local_warehouse.run_tool("pg_dump", settings, "--format=custom", "--no-owner", f"--file={dump}")
            with tarfile.open(fileobj=stream, mode="w") as archive:
                archive.add(dump, DUMP)
                origin = Path(folder, ORIGIN)
                origin.write_text(str(settings.home))
                archive.add(origin, ORIGIN)
                for name in KEPT:
                    if (settings.home / name).exists():
                        archive.add(settings.home / name, f"home/{name}", filter=leave_out)
        draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)
    closing = Closing(data={"file": target, "bytes": target.stat().st_size})
    closing.add("backup", f"{target}, {target.stat().st_size / 1e6:,.1f} MB")
    closing.add("note", "it holds the keys and customer ids: keep it safe")
    if settings.lake_place is not None:
        closing.add("note", f"lake, models, reports and corrected records at {settings.lake_place} are not in it")
    closing.add("next", f"elsewhere: CHURN_HOME=NEW_FOLDER churn restore {target}")
    closing.show(output)


def leave_out(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name == f"home/{LEFT_OUT}" else member


def restore_backup(file: Path, output: Output) -> None:
    settings = read_settings()
    if not (file.is_file() and tarfile.is_tarfile(file)):
        raise ChurnError(f"{file} is not a backup: give a file that `churn backup` has written")
    if (settings.home / "lake").exists():
        raise ChurnError(f"{settings.home} has a lake already: set CHURN_HOME to a new folder")
    settings.home.mkdir(parents=True, exist_ok=True)
    with (
        waiting(make_rich_console(sys.stderr), f"reading {file}", "restore", settings.home),
        tarfile.open(file) as archive,
        tempfile.TemporaryDirectory(dir=settings.home) as folder,
    ):
        if not {DUMP, ORIGIN} <= set(archive.getnames()):
            raise ChurnError(f"{file} is not a backup, it has no {DUMP}: give a file that `churn backup` has written")
        archive.extractall(folder, filter="data")
        local_warehouse.start(settings)
        local_warehouse.run_tool("psql", settings, "--quiet", "--set=ON_ERROR_STOP=1", f"--file={ROLES}")
        local_warehouse.run_tool(
            "pg_restore", settings, "--no-owner", "--exit-on-error", "--single-transaction", f"{folder}/{DUMP}"
        )
        old_home = Path(folder, ORIGIN).read_text()
        put_in_place(Path(folder, "home"), settings)
    shops = list_shops(settings)
    for path in shops.values():
        shop, warehouse = load_shop(path), connect(settings)
        warehouse.prepare(shop)
        warehouse.move_models(shop, old_home, str(settings.home))
    closing = Closing(data={"home": settings.home, "shops": list(shops)})
    closing.add("restore", f"{settings.home} has the state of {file}")
    closing.add("shops", ", ".join(shops) or "no shop.toml is where it was")
    closing.add("next", "churn status" if shops else "name each shop once: churn status --shop FILE")
    closing.show(output)


def put_in_place(restored: Path, settings: Settings) -> None:
    """Moves what was extracted to CHURN_HOME; the lake comes last, so that an interrupted restore can be repeated."""
    for part in sorted(restored.iterdir(), key=lambda part: part.name == "lake"):
        if part.name == "secrets":
            for secret in part.iterdir():
                secret.rename(settings.home / "secrets" / secret.name)
        else:
            part.rename(settings.home / part.name)


@contextmanager
def no_runs(settings: Settings) -> Iterator[None]:
    """Keeps `churn night` and `churn train` waiting meanwhile. Raises ChurnError if one of them runs."""
    lock_file = settings.home / "airflow" / "lock"
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ChurnError("a night or a training is running: try again when it has ended") from None
        yield
