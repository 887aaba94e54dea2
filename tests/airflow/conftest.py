"""One live Airflow for all tests of this folder, started by the code of `make airflow`, with one tiny shop.

The files tell one story, in the order of their numbers: what takes minutes is started once, by `nights`, and waited for
where it is needed. What the tests compare with is built by hand meanwhile, in another CHURN_HOME.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import pytest

from infra.local.airflow_client import AirflowClient, wait_until
from infra.local.airflow_server import AirflowServer
from infra.local.environment import JOBS_PYTHON, ROOT, make_environment
from spark_jobs.contract.settings import CLASSIC, Settings
from tests.airflow import bazaar, browser
from tests.airflow.story import BACKFILLED, BASE, ETL, NIGHTS, OWED, SCORE, TRAIN, UPKEEP, ask_again
from tests.inbox import Inbox, free_port, open_inbox


def pytest_addoption(parser) -> None:
    parser.addoption("--screenshots", default="", metavar="DIR", help="where the pages' pictures go; none without it")


#: A small Spark for each job.
SPARK = {"CHURN_ENGINE": CLASSIC, "CHURN_SPARK_MASTER": "local[1]", "SPARK_DRIVER_MEMORY": "1g"}


class HandMade:
    """Runs the jobs without Airflow and on Spark, whatever the engine of the live ones, in a separate CHURN_HOME with
    its own bazaar."""

    def __init__(self, home: Path, **schedule: object):
        self.home, self.environment = home, os.environ | {"CHURN_HOME": str(home)}
        bazaar.land(home, NIGHTS[-1] + timedelta(days=1))  # in case the next night becomes due meanwhile
        self.shop_file = bazaar.write_shop(home / "shops", **schedule)

    def start(self, command: str, *words: object) -> subprocess.Popen:
        program = [JOBS_PYTHON, "-m", "tests.airflow.by_hand", command, "--shop", self.shop_file, *map(str, words)]
        return subprocess.Popen(
            program, env=self.environment | SPARK, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def land(self, day: date) -> None:
        """A late file."""
        bazaar.write_day(self.home, day, [f"c1,{day} 10:15:00,5.50,1"])

    def content(self) -> dict[str, dict[str, str]]:
        """The content by table and day, up to the last night of these tests: another night may become due meanwhile."""
        found = json.loads(finish(self.start("content")).splitlines()[-1])
        return {
            name: {day: rows for day, rows in days.items() if day <= str(NIGHTS[-1])} for name, days in found.items()
        }

    def warehouse(self, command: str) -> None:
        subprocess.run(
            [JOBS_PYTHON, "-m", "infra.local.warehouse", command], env=self.environment, cwd=ROOT, check=True
        )


@cache
def finish(process: subprocess.Popen) -> str:
    """The output of the process, once it has ended with success."""
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="session")
def inbox() -> Iterator[Inbox]:
    """The server that receives the live Airflow's alerts."""
    with open_inbox() as inbox:
        yield inbox


@pytest.fixture(scope="session")
def home(tmp_path_factory, inbox) -> Path:
    """The CHURN_HOME of the live Airflow; the environment names it, and its engine if that is not the default."""
    home = tmp_path_factory.mktemp("live")
    os.environ.pop("CHURN_WAREHOUSE_URL", None)
    quick = {
        "CHURN_HOME": str(home),
        "CHURN_ID_KEY": "5a" * 32,  # the same customers have the same keys in both homes
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    }
    engine = SPARK if os.environ.get("CHURN_ENGINE") == CLASSIC else {}
    os.environ.update(make_environment([], {**os.environ, **quick, **engine, **inbox.environment}))
    return home


@pytest.fixture(scope="session")
def live(home) -> HandMade:
    """The live shop: the last two nights are to be caught up, scores are due at once, approvals time out in seconds."""
    live = HandMade(home, first_night=OWED[0], due_hours=2.001, poll_seconds=2, approval_hours=0.03)
    live.warehouse("start")
    yield live
    live.warehouse("stop")


@pytest.fixture(scope="session")
def twin(tmp_path_factory, home) -> HandMade:
    """A copy of the shop in another home, whose nights are all built by hand, in order."""
    twin = HandMade(tmp_path_factory.mktemp("twin"))
    twin.warehouse("start")
    yield twin
    twin.warehouse("stop")


@pytest.fixture(scope="session")
def building(live, twin) -> Iterator[tuple[subprocess.Popen, subprocess.Popen]]:
    """The jobs that run by hand meanwhile: the live shop's first day and model, and all days of its twin."""
    first_day = live.start("build", "--train", BASE)
    all_days = twin.start("build", "--train", BASE, "--nights", *NIGHTS)
    yield first_day, all_days
    for process in (first_day, all_days):
        process.kill()


@pytest.fixture(scope="session")
def server(live, building):
    server = AirflowServer(Settings.from_environment(), [live.shop_file], free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def airflow(server) -> AirflowClient:
    return server.client()


@pytest.fixture(scope="session")
def cli(server) -> Callable[..., subprocess.CompletedProcess]:
    """Airflow's command line, in the server's environment."""

    def run(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(["airflow", *words], env=server.environment, cwd=ROOT, capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def first_day(building) -> None:
    """The live shop's first day and model are there."""
    finish(building[0])


@pytest.fixture(scope="session")
def nights(airflow, cli, first_day) -> None:
    """Unpauses the DAGs, which then catch up two nights, and backfills the two nights before, the later one first.

    Last Sunday's training and maintenance are due as well, but are not waited for.
    """
    for dag_id in (TRAIN, UPKEEP, SCORE, ETL):
        airflow.unpause(dag_id)
    for dag_id in (TRAIN, UPKEEP):
        (sunday,) = wait_until(lambda d=dag_id: airflow.runs(d), 60, f"last Sunday's {dag_id}")
        airflow.patch(f"/dags/{dag_id}/dagRuns/{sunday['dag_run_id']}", state="failed")
    span = ["--from-date", f"{BACKFILLED[0]}", "--to-date", f"{BACKFILLED[-1]}T23:59:59"]
    done = cli("backfill", "create", "--dag-id", ETL, *span, "--run-backwards", "--max-active-runs", "1")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def training(airflow, nights) -> str:
    """The training that was started by the form, for a day that was also trained by hand, with the same model."""
    runs = airflow.runs(TRAIN)[1:]
    return runs[0]["dag_run_id"] if runs else airflow.trigger(TRAIN, as_of=str(BASE))


@pytest.fixture(scope="session")
def unanswered(airflow, training) -> None:
    """A training whose approval is asked again and stays unanswered, while other tests continue."""
    ask_again(airflow, training)


@pytest.fixture(scope="session")
def upkeep(airflow, nights) -> str:
    """The weekly maintenance, by hand."""
    return airflow.trigger(UPKEEP)


@pytest.fixture
def pages(server, request):
    """Airflow's pages in a browser of its own."""
    if not browser.is_installed():
        pytest.skip("needs Debian's chromium and chromium-driver")
    folder = request.config.getoption("--screenshots")
    with browser.open_browser() as chromium:
        yield browser.Pages(chromium, server.url, Path(folder) if folder else None)
