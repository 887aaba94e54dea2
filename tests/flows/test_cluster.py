"""Do nights by Airflow on a cluster, whose workers share only an object store, equal those of this machine, though
executors, a driver and a worker are killed?

What this machine computes meanwhile, and the last steps on the cluster, are the program tests/flows/stored_shop.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import psutil
import pytest

from infra.local.cluster import Cluster, find_processes
from infra.local.environment import AIRFLOW_PYTHON, JOBS_PYTHON, find_spark_home
from infra.local.namespaces import can_cover
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.settings import Settings
from spark_jobs.lake.location import Location
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.object_store import S3A_JARS
from tests.flows import stored_shop
from tests.flows.stored_shop import (
    NIGHTS,
    SHOP_NAME,
    make_shop,
    make_variables,
    move_to_store,
    read_lists,
    read_tables,
)
from tests.object_store import BUCKET, ROOT, object_store

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not S3A_JARS.is_dir(), reason="needs python -m infra.local.object_store_jars"),
]
RAW, LAKES = f"s3://{BUCKET}/raw", f"s3://{BUCKET}/lakes"
LAKE = f"{LAKES}/{SHOP_NAME}"
FIRST, SECOND, LAST = NIGHTS
MAY = "2024-05-01"  # when March can be compacted
PROGRAM = str(Path(stored_shop.__file__))
#: Three nights: the second has a faulty record, which is corrected for the last.
STEPS = [f"histories@{FIRST}", f"train@{FIRST}", f"histories@{SECOND}", f"correct@{SECOND}", f"histories@{LAST}",
         f"score@{LAST}", f"maintain@{MAY}"]  # fmt: skip
#: What no DAG does.
LAST_STEPS = [f"erase@{MAY}", f"rebuild@{MAY}"]
#: A job here lives for seconds, in which Java's thorough compiler costs more than it saves, and so does compiling code
#: for each of hundreds of tiny queries.
QUICK = """
spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
spark.executor.extraJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
spark.sql.codegen.wholeStage false
spark.sql.codegen.factoryMode NO_CODEGEN
spark.sql.shuffle.partitions 2
"""
Shop = tuple[Settings, Path]


@dataclass(frozen=True)
class Program:
    process: subprocess.Popen
    log: Path

    def finish(self, expected_code: int = 0) -> str:
        """What it printed, once it has ended."""
        assert self.process.wait() == expected_code, self.log.read_text()[-20_000:]
        return self.log.read_text()


@contextmanager
def running(home: Path):
    cluster = Cluster(home)
    cluster.start()
    with (cluster.conf / "spark-defaults.conf").open("a") as options:
        options.write(QUICK)
    try:
        yield cluster
    finally:
        cluster.stop()
        kill([process for process in psutil.process_iter() if str(home.parents[1]) in " ".join(read_command(process))])


def start_here(shop: Shop, *steps: str, **variables: str) -> Program:
    """The steps on this machine; by default the lake is in a folder."""
    command = [sys.executable, "-m", "tests.flows.stored_shop", str(shop[1]), *steps]
    return start(shop, command, os.environ | make_variables(shop[0]) | {"CHURN_SPARK_MASTER": "local[2]"} | variables)


def start_dags(cluster: Cluster, shop: Shop, *runs: str) -> Program:
    """Runs of the DAGs, whose Spark connection is the cluster."""
    command = [str(AIRFLOW_PYTHON), "-m", "infra.local.run_dag", "--shop", str(shop[1]), "--verbose", "--promote"]
    return start(shop, [*command, *runs], make_cluster_variables(cluster, shop) | {"CHURN_SPARK_MASTER": cluster.url})


def start_driver(cluster: Cluster, shop: Shop, *steps: str) -> Program:
    command = [str(find_spark_home() / "bin" / "spark-submit"), PROGRAM, str(shop[1]), *steps]
    return start(shop, command, make_cluster_variables(cluster, shop))


def make_cluster_variables(cluster: Cluster, shop: Shop) -> dict[str, str]:
    left = {name: value for name, value in os.environ.items() if name != "SPARK_SUBMIT_OPTS"}
    return left | make_variables(shop[0], LAKES) | {"SPARK_CONF_DIR": str(cluster.conf), "PYTHONPATH": str(ROOT),
                                                    "PYSPARK_DRIVER_PYTHON": str(JOBS_PYTHON)}  # fmt: skip


def start(shop: Shop, command: list[str], variables: dict[str, str]) -> Program:
    log = shop[1].with_name(f"{token_hex(4)}.log")
    with log.open("wb") as output:  # not a pipe, which would fill up while nobody reads it
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT,
                                   start_new_session=True)  # fmt: skip
    return Program(process, log)


def read_command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


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


def find_driver(dags: Program, job: str) -> psutil.Process:
    """The JVM of the job that the DAGs run."""
    below = psutil.Process(dags.process.pid).children(recursive=True)
    return next(one for one in below if one.name() == "java" and job in " ".join(read_command(one)))


def kill(processes: list[psutil.Process]) -> None:
    """Kills them with their children, by SIGKILL."""
    for process in [one for parent in processes for one in (*parent.children(recursive=True), parent)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def list_files(table: str) -> set[str]:
    return {info.path for info in Location.parse(f"{LAKE}/{table}/data").list() if info.is_file}


def wait_for_file(table: str, program: Program) -> None:
    """Waits until a task has written a file of the table, whose write has not ended yet."""
    until, before = time.monotonic() + 600, list_files(table)
    while not list_files(table) - before:
        assert program.process.poll() is None, program.log.read_text()[-20_000:]
        assert time.monotonic() < until
        time.sleep(0.05)


def check_isolation(home: Path) -> None:
    hidden, workers = [home / "warehouse.sql", ROOT / "spark_jobs"], find_workers(home)
    assert len(workers) == 2
    if can_cover():
        assert not any(Path(f"/proc/{worker.pid}/root{file}").exists() for worker in workers for file in hidden)
    assert not any("CHURN_ID_KEY" in worker.environ() for worker in workers)


def run_killed_nights(cluster: Cluster, shop: Shop) -> None:
    """The nights, the training, the scores and the maintenance by their DAGs."""
    home = shop[0].home
    night = start_dags(cluster, shop, f"etl@{FIRST}")
    wait_for_file("purchases", night)
    kill(find_executors(home))  # in mid-write
    assert not Lake(LAKE).arrow(ACCOUNTS, ["purchases"]).num_rows  # clean has published nothing yet
    wait_for_file("customer_day", night)
    kill([find_driver(night, "customer_day.py")])
    night.finish(expected_code=1)
    start_dags(cluster, shop, f"etl@{FIRST}", f"train@{FIRST}", f"etl@{SECOND}").finish()
    start_here(shop, f"correct@{SECOND}", CHURN_LAKE=LAKES).finish()
    nights = start_dags(cluster, shop, f"etl@{LAST}", f"score@{LAST}", f"maintenance@{MAY}")
    wait_for_file("customer_series", nights)
    kill([next(worker for worker in find_workers(home) if worker.children())])  # with its executor
    assert f"--master {cluster.url}" in nights.finish()
    assert len(find_workers(home)) == 1


def test_nights_by_airflow_on_a_cluster_equal_those_of_this_machine(warehouse_url, stored, tmp_path):
    here = make_shop(tmp_path / "here", warehouse_url)
    steps_here = start_here(here, *STEPS, *LAST_STEPS)
    home = stored[0].home
    with running(home) as cluster:
        check_isolation(home)
        run_killed_nights(cluster, stored)
        start_driver(cluster, stored, *LAST_STEPS).finish()
        churn_stop = [str(JOBS_PYTHON), "-m", "infra.cli", "stop"]
        subprocess.run(churn_stop, cwd=ROOT, env=os.environ | {"CHURN_HOME": str(home)}, check=True)
        assert find_processes(home) == []
        steps_here.finish()
    expected = read_tables(Lake(here[0].lake(SHOP_NAME)), here[1])
    assert read_tables(Lake(LAKE), stored[1]) == expected
    tables = ("purchases", "reviews", "customer_day", "customer_day_months", "customer_series", "churn_risk")
    assert all(expected[table] for table in tables)
    lists = read_lists(*here)
    assert read_lists(*stored) == lists
    assert lists["contact_list"]
