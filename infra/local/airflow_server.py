"""A live Airflow on this machine: scheduler, DAG processor, triggerer, API server and the server that forks its tasks'
jobs, started and ended together. Its database is in the embedded PostgreSQL, which is started and left running.

All of its processes have its home in their environment, by which they are found, even after the process that started
them was killed. Process ids are never stored, because they may be reused.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil

from infra.local.airflow_client import AirflowClient
from infra.local.embedded import EmbeddedPostgres
from infra.local.environment import AIRFLOW_PYTHON, LIVE_DATABASE, ROOT, make_server_environment
from infra.local.job_processes import serving_jobs
from infra.local.marked_processes import find_marked
from infra.local.ports import is_free
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings

POOLS = ROOT / "infra" / "airflow" / "pools.json"
MARK = "CHURN_AIRFLOW_HOME"
USER = "admin"
#: Without log servers: the API server reads the files, and a log server would listen on all network interfaces.
COMPONENTS = {
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag_processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
    "api_server": ["api-server"],
}
REPORTING = ("metadatabase", "scheduler", "dag_processor", "triggerer")  # in the API server's health report
START_SECONDS = 300
END_SECONDS = 10  # for a process to end by itself


class AirflowServer:
    """The Airflow of one CHURN_HOME. Every failure is a ChurnError of one line."""

    def __init__(self, settings: Settings, shops: Sequence[Path], port: int):
        self.settings, self.shops, self.port = settings, list(shops), port
        self.environment: dict[str, str] = {}  # of every command that belongs to it, once it has started
        self._processes: dict[str, subprocess.Popen] = {}
        self._job_server = ExitStack()
        self.url = f"http://localhost:{port}"
        self.logs = settings.home / "logs" / "airflow_server"
        self.password_file = settings.home / "airflow" / "simple_auth_manager_passwords.json.generated"

    def require_free(self) -> None:
        """Raises ChurnError if another Airflow runs in the same home, or the port is taken."""
        if find_processes(self.settings.home):
            raise ChurnError(f"Airflow already runs in {self.settings.home}: make stop ends it")
        if not is_free(self.port):
            raise ChurnError(f"port {self.port} is taken: set CHURN_AIRFLOW_PORT to another, or stop what uses it")

    def start(self, report: Callable[[str], None] = lambda text: None) -> None:
        """Starts everything and returns once it is healthy and has loaded the DAGs. report: called with what it waits
        for."""
        self.logs.mkdir(parents=True, exist_ok=True)
        report("its database")
        database = EmbeddedPostgres(self.settings.home).open_database(LIVE_DATABASE)
        mark = {MARK: str(self.settings.home), "SPT_NOENV": "1"}  # so that setproctitle keeps the environment
        try:
            job_server = self._job_server.enter_context(serving_jobs(mark=mark))
            self.environment = {**make_server_environment(self.shops, self.port, database), **job_server}
            if self._launch("database", ["db", "migrate"], mark).wait() != 0:
                raise ChurnError(f"Airflow's database cannot be made: {self._last_line('database')}")
            for name, command in COMPONENTS.items():
                self._processes[name] = self._launch(name, command, mark)
            self._await_health(report)
            self._make_pools()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        end_processes(self.settings.home)
        for process in self._processes.values():
            process.wait()
        self._job_server.close()

    def check(self) -> None:
        """Raises ChurnError if a component has ended."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise ChurnError(f"Airflow's {name} has ended: {self._last_line(name)}")

    @property
    def password(self) -> str:
        return json.loads(self.password_file.read_text())[USER]

    def client(self) -> AirflowClient:
        return AirflowClient(self.url, USER, self.password)

    def _await_health(self, report: Callable[[str], None]) -> None:
        begin = time.monotonic()
        while waiting := self._find_missing():
            report(waiting)
            self.check()
            if time.monotonic() - begin > START_SECONDS:
                raise ChurnError(f"Airflow is not healthy after {START_SECONDS} s ({waiting}): see {self.logs}")
            time.sleep(1)

    def _make_pools(self) -> None:
        client = self.client()
        for name, pool in json.loads(POOLS.read_text()).items():
            slots = count_gpus() if name == "gpu" else pool["slots"]
            client.ensure_pool(name, slots, pool["description"])

    def _find_missing(self) -> str:
        """The components that are not ready yet, as a text; empty once all are."""
        try:
            health = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=10).json()
        except (httpx.HTTPError, ValueError):
            return "the API server"
        ill = [name for name in REPORTING if (health.get(name) or {}).get("status") != "healthy"]
        if ill:
            return ", ".join(ill)
        return "" if self.client().list_dags() else "the DAGs"

    def _launch(self, name: str, command: Sequence[str], mark: Mapping[str, str]) -> subprocess.Popen:
        """Starts an Airflow command with its own log, in a new session, so that Ctrl-C does not reach it."""
        with (self.logs / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [AIRFLOW_PYTHON, "-m", "airflow", *command], cwd=ROOT, env={**self.environment, **mark},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def _last_line(self, name: str) -> str:
        log = self.logs / f"{name}.log"
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        return f"{lines[-1] if lines else 'its log is empty'} ({log})"


def count_gpus() -> int:
    """The number of GPUs of this machine, but at least one, for a training on the CPU."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 1
    return max(1, listed.count("GPU "))


def find_processes(home: Path) -> list[psutil.Process]:
    """The running processes of this home's Airflow."""
    return find_marked(MARK, home)


def end_processes(home: Path) -> int:
    """Ends all of them, including those that they start meanwhile; returns their number."""
    count = 0
    while processes := find_processes(home):
        count += len(processes)
        for process in processes:
            with suppress(psutil.Error):
                process.terminate()
        _, stubborn = psutil.wait_procs(processes, timeout=END_SECONDS)
        for process in stubborn:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(stubborn, timeout=END_SECONDS)
    return count
