"""Jobs that share one Spark: the content is the same as with separate ones, also after a kill and a repeat, and a
killed job affects no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from infra.local.environment import make_java_options
from spark_jobs.contract.errors import TRY_AGAIN
from spark_jobs.contract.settings import CONNECT, SAIL
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, PURCHASES, quarantine
from spark_jobs.runtime.engine import find_folder, read_record, stop_engine
from spark_jobs.runtime.engine_command import DETACHED_SECONDS, STREAM_SECONDS
from spark_jobs.runtime.sail_server import is_installed
from tests.spark_jobs.shops import SmallShop
from tests.waiting import wait_until

DAY = "2024-05-03"
#: A job with a query that touches a file ten times a second, for ever.
ENDLESS = """
import sys, time
from pathlib import Path
from spark_jobs.contract.settings import Settings
from spark_jobs.runtime.session import open_session
settings, beat = Settings.from_environment(), Path(sys.argv[1])
open_session("endless", settings)
spark = open_session("endless", settings)  # the same, as jobs do for each of their parts

def work(batches):
    while True:
        beat.touch()
        time.sleep(0.1)
    yield from batches

spark.range(0, 1, 1, 1).mapInArrow(work, "id long").collect()
"""

WAITING = """
import sys, time
from pathlib import Path
from spark_jobs.contract.settings import Settings
from spark_jobs.runtime.command import run_command
from spark_jobs.runtime.session import open_session

begun = Path(sys.argv[1])

def wait(batches):
    begun.touch()
    time.sleep(300)
    yield from batches

def main(argv):
    open_session("waiting", Settings.from_environment()).range(1).mapInArrow(wait, "id long").collect()

sys.exit(run_command(main))
"""


@pytest.fixture
def shared(spark, tmp_path, warehouse_url):
    """A shop whose jobs are processes that share one Spark, and the same shop in the Spark of the tests."""
    shops = [SmallShop(spark, tmp_path / name, warehouse_url) for name in ("shared", "own")]
    for shop in shops:
        shop.deliver("2024-05-01.csv", "a,2024-05-01 10:00,p,x,1,2.00", "b,2024-05-01 10:00,p,x,one,2.00")
        shop.deliver("2024-05-03.csv", "a,2024-05-03 10:00,q,x,2,3.50", "c,2024-05-02 23:30,q,y,-1,3.50")
    yield shops
    home = shops[0].settings.home
    while not stop_engine(home):
        time.sleep(0.1)


def make_variables(shop: SmallShop, engine: str) -> dict[str, str]:
    return {
        **os.environ, "CHURN_HOME": str(shop.settings.home), "CHURN_WAREHOUSE_URL": shop.settings.warehouse_url or "",
        "CHURN_ID_KEY": "5a" * 32, "CHURN_ENGINE": engine, "CHURN_SPARK_MASTER": "local[2]",
        "SPARK_SUBMIT_OPTS": make_java_options(),
    }  # fmt: skip


def start(shop: SmallShop, *words: str | Path, engine: str = CONNECT) -> subprocess.Popen:
    command = [sys.executable, *map(str, words)]
    return subprocess.Popen(command, env=make_variables(shop, engine), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def run_job(shop: SmallShop, job: str, engine: str = CONNECT) -> None:
    done = start(shop, "-m", f"spark_jobs.{job}", "--shop", shop.shop.path, "--as-of", DAY, engine=engine)
    output, _ = done.communicate()
    assert done.returncode == 0, output.decode()


@pytest.mark.parametrize("kind", [CONNECT, SAIL])
def test_a_job_whose_engine_is_killed_says_so_at_once_in_one_line(shared, tmp_path, kind):
    if kind == SAIL and not is_installed():
        pytest.skip("Sail is not installed")
    job = start(shared[0], "-c", WAITING, begun := tmp_path / "begun", engine=kind)
    wait_until(begun.exists, 120)
    os.killpg(read_record(find_folder(shared[0].settings.home)).group, signal.SIGKILL)
    output, _ = job.communicate(timeout=20)
    (error,) = output.decode().splitlines()
    assert error.startswith("error: the engine ended while a job used it")
    assert error.endswith(TRY_AGAIN)
    assert job.returncode == 1


def kill_writing(shop: SmallShop) -> None:
    """Kills a clean job that has written files and not yet published any."""
    job = start(shop, "-m", "spark_jobs.clean", "--shop", shop.shop.path, "--as-of", DAY)
    wait_until(lambda: any(Path(shop.lake.folder(PURCHASES)).glob("data/run=*/*/*.parquet")), 60)
    job.kill()
    job.communicate()
    assert shop.lake.version(PURCHASES) is None


def is_beating(beat: Path) -> bool:
    return beat.exists() and time.time() - beat.stat().st_mtime < 1


def test_a_killed_job_does_not_affect_the_content_of_others(shared, tmp_path):
    shop, own = shared
    beats = {number: tmp_path / number.name for number in (signal.SIGTERM, signal.SIGKILL)}
    victims = {number: start(shop, "-c", ENDLESS, beat) for number, beat in beats.items()}
    wait_until(lambda: all(map(is_beating, beats.values())), 120)
    server = read_record(find_folder(shop.settings.home))
    for number, victim in victims.items():
        victim.send_signal(number)
    wait_until(lambda: not is_beating(beats[signal.SIGTERM]), 20)
    kill_writing(shop)
    for job in ("clean", "customer_day", "customer_series"):
        run_job(shop, job)
    assert victims[signal.SIGTERM].wait(10) == 128 + signal.SIGTERM
    assert read_record(find_folder(shop.settings.home)) == server
    own.run_night(date.fromisoformat(DAY))
    wait_until(lambda: not is_beating(beats[signal.SIGKILL]), STREAM_SECONDS + DETACHED_SECONDS + 30)
    for table in (PURCHASES, quarantine("purchases"), CUSTOMER_DAY, CUSTOMER_SERIES):
        assert shop.rows(table) == own.rows(table)
