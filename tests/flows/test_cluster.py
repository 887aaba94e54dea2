"""Do nights on a cluster, whose workers share only an object store, equal those of this machine?

The driver is `spark-submit tests/flows/stored_shop.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from infra.local.cluster import Cluster, find_processes
from infra.local.environment import JOBS_PYTHON, find_spark_home
from infra.local.namespaces import can_cover
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.settings import Settings
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.object_store import S3A_JARS
from tests.flows import stored_shop
from tests.flows.stored_shop import NIGHTS, SHOP_NAME, make_shop, make_variables, move_to_store, read_tables
from tests.object_store import BUCKET, ROOT, object_store

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not S3A_JARS.is_dir(), reason="needs python -m infra.local.object_store_jars"),
]
RAW, LAKES = f"s3://{BUCKET}/raw", f"s3://{BUCKET}/lakes"
FIRST, SECOND, LAST = NIGHTS
PROGRAM = str(Path(stored_shop.__file__))
#: Three nights: the second has a faulty record, which is corrected for the last. In May, March can be compacted.
STEPS = [f"histories@{FIRST}", f"train@{FIRST}", f"histories@{SECOND}", f"correct@{SECOND}", f"histories@{LAST}",
         f"score@{LAST}", "maintain@2024-05-01"]  # fmt: skip
Shop = tuple[Settings, Path]


@contextmanager
def running(home: Path):
    cluster = Cluster(home)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
        kill([process for process in psutil.process_iter() if str(home.parent) in " ".join(read_command(process))])


def start_driver(cluster: Cluster, shop: Shop, *steps: str) -> subprocess.Popen:
    variables = {**make_variables(shop[0], LAKES), "SPARK_CONF_DIR": str(cluster.conf), "PYTHONPATH": str(ROOT),
                 "PYSPARK_DRIVER_PYTHON": str(JOBS_PYTHON)}  # fmt: skip
    left = {name: value for name, value in os.environ.items() if name != "SPARK_SUBMIT_OPTS"}
    command = [str(find_spark_home() / "bin" / "spark-submit"), PROGRAM, str(shop[1]), *steps]
    return subprocess.Popen(command, cwd=shop[0].home, env=left | variables, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)  # fmt: skip


def read_command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def finish(driver: subprocess.Popen) -> str:
    """What the driver printed, once it has ended."""
    output = driver.communicate()[0]
    assert driver.returncode == 0, output
    return output


def run_here(folder: Path, warehouse_url: str, *steps: str) -> dict[str, list[str]]:
    """The tables after these steps on this machine, with the lake in a folder."""
    settings, shop_file = make_shop(folder, warehouse_url)
    variables = os.environ | make_variables(settings) | {"CHURN_SPARK_MASTER": "local[2]"}
    subprocess.run([sys.executable, "-m", "tests.flows.stored_shop", str(shop_file), *steps], cwd=ROOT, env=variables,
                   check=True)  # fmt: skip
    return read_tables(Lake(settings.lake(SHOP_NAME)), shop_file)


@pytest.fixture
def stored(warehouse_url, tmp_path, monkeypatch):
    """A shop whose raw files and models are in an object store, and its shop.toml."""
    settings, shop_file = make_shop(tmp_path / "shop", warehouse_url)
    with object_store() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        move_to_store(settings, shop_file, RAW, LAKES)
        yield settings, shop_file


def find_workers(home: Path) -> list[psutil.Process]:
    return [process for process in find_processes(home) if "worker.Worker" in " ".join(process.cmdline())]


def find_executors(home: Path) -> list[psutil.Process]:
    """The executors of the running driver, without their Python."""
    processes = find_processes(home)
    return [process for process in processes if "CoarseGrainedExecutorBackend" in " ".join(process.cmdline())]


def kill(processes: list[psutil.Process]) -> None:
    """Kills them with their children, by SIGKILL."""
    for process in [one for parent in processes for one in (*parent.children(recursive=True), parent)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def wait_for_files(table: str, driver: subprocess.Popen) -> None:
    """Waits until a task has written a file of the table, whose write has not ended yet."""
    until = time.monotonic() + 200
    data = Location.parse(f"{LAKES}/{SHOP_NAME}/{table}/data")
    while not any(info.is_file for info in data.list()):
        assert driver.poll() is None, driver.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)


def test_nights_and_a_training_on_a_cluster_equal_those_of_this_machine(warehouse_url, stored, tmp_path):
    settings, shop_file = stored
    expected = run_here(tmp_path / "here", warehouse_url, *STEPS)
    with running(settings.home) as cluster:
        hidden, workers = [settings.home / "warehouse.sql", ROOT / "spark_jobs"], find_workers(settings.home)
        assert len(workers) == 2
        if can_cover():
            assert not any(Path(f"/proc/{worker.pid}/root{file}").exists() for worker in workers for file in hidden)
        assert not any("CHURN_ID_KEY" in worker.environ() for worker in workers)
        finish(start_driver(cluster, stored, *STEPS))
    found = read_tables(Lake(f"{LAKES}/{SHOP_NAME}"), shop_file)
    assert found == expected
    tables = ("purchases", "reviews", "customer_day", "customer_day_months", "customer_series", "churn_risk")
    assert all(expected[table] for table in tables)


def test_killed_workers_executors_and_drivers_cost_no_row(warehouse_url, stored, tmp_path):
    settings, shop_file = stored
    steps = [f"histories@{LAST}", f"score@{LAST}"]
    expected = run_here(tmp_path / "here", warehouse_url, *steps)
    with running(settings.home) as cluster:
        driver = start_driver(cluster, stored, *steps)
        wait_for_files("purchases", driver)
        kill(find_executors(settings.home))  # in mid-write
        assert not Lake(f"{LAKES}/{SHOP_NAME}").arrow(ACCOUNTS).num_rows  # clean has published nothing yet
        wait_for_files("customer_day", driver)
        kill([psutil.Process(driver.pid)])
        driver.communicate()
        again = start_driver(cluster, stored, *steps)
        wait_for_files("customer_series", again)
        kill([next(worker for worker in find_workers(settings.home) if worker.children())])  # with its executor
        finish(again)
        assert len(find_workers(settings.home)) == 1
    assert read_tables(Lake(f"{LAKES}/{SHOP_NAME}"), shop_file) == expected
