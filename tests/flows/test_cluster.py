"""Do the histories on a cluster, whose workers share only an object store, equal those of this machine?

Run as a program, this file is the driver: `spark-submit tests/flows/test_cluster.py`.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from pyarrow import fs

from infra.local.cluster import Cluster, find_processes
from infra.local.environment import JOBS_PYTHON, find_spark_home
from infra.local.namespaces import can_cover
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.settings import Settings
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.object_store import S3A_JARS
from spark_jobs.runtime.session import open_session
from tests.flows.test_object_store import make_home, read_tables, run_histories
from tests.object_store import BUCKET, ROOT, object_store

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not S3A_JARS.is_dir(), reason="needs python -m infra.local.object_store_jars"),
]
RAW, LAKE = f"s3://{BUCKET}/raw", f"s3://{BUCKET}/lakes"
KEYS = {"CHURN_ID_KEY": "5a" * 32, "CHURN_CONTROL_KEY": "5a" * 32}


@contextmanager
def running(home: Path):
    cluster = Cluster(home)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


def store_raw_files(home: Path) -> None:
    """Moves the raw files into the object store, where shop.toml then finds them."""
    fs.copy_files(str(home / "raw"), Location.parse(RAW).path, destination_filesystem=Location.parse(RAW).file_system)
    for file in (home / "raw").iterdir():
        file.unlink()
    shop_file = home / "shop.toml"
    shop_file.write_text(shop_file.read_text().replace("{home}/raw", RAW))


def start_driver(cluster: Cluster, settings: Settings) -> subprocess.Popen:
    variables = {"CHURN_HOME": str(settings.home), "CHURN_LAKE": LAKE, "SPARK_CONF_DIR": str(cluster.conf),
                 "CHURN_WAREHOUSE_URL": str(settings.warehouse_url), "PYTHONPATH": str(ROOT),
                 "PYSPARK_DRIVER_PYTHON": str(JOBS_PYTHON), **KEYS}  # fmt: skip
    left = {name: value for name, value in os.environ.items() if name != "SPARK_SUBMIT_OPTS"}
    command = [str(find_spark_home() / "bin" / "spark-submit"), str(Path(__file__))]
    return subprocess.Popen(command, cwd=settings.home, env=left | variables, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)  # fmt: skip


@pytest.fixture(scope="module")
def expected(spark, warehouse_url, tmp_path_factory) -> dict[str, list[str]]:
    settings = make_home(tmp_path_factory.mktemp("local"), warehouse_url)
    shop_file = settings.home / "shop.toml"
    return read_tables(run_histories(lambda: spark, settings, shop_file), shop_file)


@pytest.fixture
def stored(warehouse_url, tmp_path, monkeypatch):
    """The settings of a home whose raw files are in an object store."""
    settings = make_home(tmp_path / "home", warehouse_url)
    with object_store() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        store_raw_files(settings.home)
        yield settings


def find_workers(home: Path) -> list[psutil.Process]:
    return [process for process in find_processes(home) if "worker.Worker" in " ".join(process.cmdline())]


def finish(driver: subprocess.Popen, shop_file: Path) -> dict[str, list[str]]:
    """The tables once the driver has ended."""
    output = driver.communicate(timeout=300)[0]
    assert driver.returncode == 0, output
    return read_tables(Lake(f"{LAKE}/corner"), shop_file)


def kill_a_working_worker(home: Path, driver: subprocess.Popen) -> int:
    """Kills a worker with its executor as soon as a task of clean has written a file; returns how many processes."""
    drafts = Location.parse(f"{LAKE}/corner/purchases/data")
    while not any(info.is_file for info in drafts.list()):
        assert driver.poll() is None
        time.sleep(0.05)
    worker = next(worker for worker in find_workers(home) if worker.children())
    killed = [worker, *worker.children(recursive=True)]
    for process in killed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return len(killed)


def test_histories_of_a_cluster_equal_those_of_this_machine(expected, stored):
    with running(stored.home) as cluster:
        hidden = [stored.home / "shop.toml", ROOT / "spark_jobs"]
        workers = find_workers(stored.home)
        assert len(workers) == 2
        if can_cover():
            assert not any(Path(f"/proc/{worker.pid}/root{file}").exists() for worker in workers for file in hidden)
        assert not any("CHURN_ID_KEY" in worker.environ() for worker in workers)
        found = finish(start_driver(cluster, stored), stored.home / "shop.toml")
    assert found == expected
    assert all(expected[table] for table in ("purchases", "reviews", "customer_day", "customer_series"))


def test_a_worker_killed_while_it_cleans_costs_no_row(expected, stored):
    with running(stored.home) as cluster:
        driver = start_driver(cluster, stored)
        assert kill_a_working_worker(stored.home, driver) > 1
        assert not Lake(f"{LAKE}/corner").arrow(ACCOUNTS).num_rows  # clean has published nothing yet
        assert finish(driver, stored.home / "shop.toml") == expected
        assert len(find_workers(stored.home)) == 1


def main() -> None:
    settings = Settings.from_environment()
    run_histories(lambda: open_session("histories", settings), settings, settings.home / "shop.toml")


if __name__ == "__main__":
    main()
