"""A Spark standalone cluster on this machine: a master and two workers, which listen on the loopback interface only.

    python -m infra.local.cluster start [--hide FOLDER …]
    python -m infra.local.cluster status
    python -m infra.local.cluster stop

Every connection is authenticated and encrypted with a secret that is made at the start. The configuration, with the
secret, is in CHURN_HOME/running/cluster/conf, for its owner alone: SPARK_CONF_DIR names it to jobs. Logs are in
CHURN_HOME/logs/cluster.

Started by root, each worker has a mount namespace in which CHURN_HOME, the checkout and the hidden folders are empty:
as on a cluster of several machines, its executors have the jobs' archive, their own Python environment and what they
reach by URL. Otherwise workers can read what their user can.

Workers get the variables of the object store, and none of the keys and passwords of the product.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import psutil

from infra.local.code_archive import make_archive
from infra.local.environment import JOBS_ENVIRONMENT, JOBS_PYTHON, ROOT, find_spark_home, read_spark_defaults
from infra.local.marked_processes import find_marked
from infra.local.namespaces import can_cover, cover
from infra.local.ports import find_free
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.runtime.command import run_command
from spark_jobs.runtime.object_store import S3A_JARS, S3A_OPTIONS
from spark_jobs.runtime.object_store import VARIABLES as STORE

MARK = "CHURN_CLUSTER_HOME"  # in the environment of all its processes, executors included
WORKERS = ("worker_1", "worker_2")
WORKER_MEMORY, EXECUTOR_MEMORY = "2g", "1g"
START_SECONDS, END_SECONDS = 120, 10
DEPLOY = "org.apache.spark.deploy"
PROFILES = ROOT / "infra" / "spark"
#: What workers need of this process's environment.
VARIABLES = ("PATH", "JAVA_HOME", "LANG", "LC_ALL", "TZ", *STORE, "AWS_EC2_METADATA_DISABLED")
SECRECY = {
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.io.encryption.enabled": "true",
    "spark.master.rest.enabled": "false",  # it starts drivers for anybody who can connect
}


class Cluster:
    """The cluster of one CHURN_HOME. Every failure is a ChurnError of one line."""

    def __init__(self, home: Path):
        self.home, self.folder, self.logs = home, home / "running" / "cluster", home / "logs" / "cluster"
        self.conf = self.folder / "conf"
        self._record = self.folder / "record.json"

    def start(self, hidden: Iterable[Path] = ()) -> None:
        """hidden: folders that workers must not see, apart from CHURN_HOME and the checkout."""
        if find_processes(self.home):
            raise ChurnError(f"a cluster already runs in {self.home}: python -m infra.local.cluster stop ends it")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.conf.mkdir(parents=True, mode=0o700)
        self.logs.mkdir(parents=True, exist_ok=True)
        ports = {"url": f"spark://127.0.0.1:{find_free()}", "page": f"http://127.0.0.1:{find_free()}"}
        self._record.write_text(json.dumps(ports))
        secret = SECRECY | {"spark.authenticate.secret": token_hex(32)}
        write_options(self.conf / "spark-defaults.conf", self._options(ports["url"]) | secret)
        shutil.copy(PROFILES / "local" / "log4j2.properties", self.conf)
        try:
            self._start_master(ports, secret)
            with tempfile.TemporaryDirectory(prefix="churn-cluster-") as aside:
                for name in WORKERS:
                    self._start_worker(name, ports["url"], secret, [self.home, ROOT, *hidden], Path(aside))
                self._wait(len(WORKERS))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> int:
        """Ends all its processes; returns their number."""
        count = len(processes := find_processes(self.home))
        for process in processes:
            with suppress(psutil.Error):
                process.kill()  # there is nothing to save
        psutil.wait_procs(processes, timeout=END_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)
        return count

    def find_workers(self) -> list[dict]:
        """What the master says about workers that are alive; empty if there is none."""
        return self._list_workers() or []

    @property
    def url(self) -> str:
        return json.loads(self._record.read_text())["url"]

    def _options(self, url: str) -> dict[str, str]:
        """Of the jobs: the profile, with what fits this machine."""
        archive, jars = make_archive(self.folder), f"{S3A_JARS}/*"
        profile = read_spark_defaults(PROFILES / "standalone" / "spark-defaults.conf")
        profile |= read_spark_defaults(PROFILES / "sizes" / "small.conf")
        return profile | S3A_OPTIONS | {
            "spark.master": url,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": EXECUTOR_MEMORY,
            "spark.executor.memory": EXECUTOR_MEMORY,
            "spark.executor.cores": "1",
            "spark.dynamicAllocation.maxExecutors": str(len(WORKERS)),
            "spark.files": str(archive),
            "spark.executorEnv.PYTHONPATH": archive.name,
            "spark.pyspark.python": str(JOBS_PYTHON),
            "spark.driver.extraClassPath": jars,
            "spark.executor.extraClassPath": jars,
            # Else executors would open each other's files by path, because they share a host.
            "spark.shuffle.readHostLocalDisk": "false",
            "spark.eventLog.enabled": "false",
            "spark.ui.enabled": "false",
        }  # fmt: skip

    def _start_master(self, ports: dict[str, str], secret: dict[str, str]) -> None:
        folder = self._make_folder("master", secret)
        words = ["--host", "127.0.0.1", "--port", ports["url"].rpartition(":")[2], "--webui-port",
                 ports["page"].rpartition(":")[2]]  # fmt: skip
        self._launch("master", [*self._command(f"{DEPLOY}.master.Master", folder), *words])
        self._wait(0)

    def _start_worker(self, name: str, url: str, secret: dict[str, str], covered: list[Path], aside: Path) -> None:
        folder = self._make_folder(name, secret)
        cores = str(max(1, (os.cpu_count() or 1) // len(WORKERS)))
        words = ["--host", "127.0.0.1", "--cores", cores, "--memory", WORKER_MEMORY, "--webui-port", "0",
                 "--work-dir", str(folder)]  # fmt: skip
        command = [*self._command(f"{DEPLOY}.worker.Worker", folder), *words, url]
        if can_cover():
            command = cover(covered, [JOBS_ENVIRONMENT, S3A_JARS, folder], aside, command)
        self._launch(name, command, SPARK_LOCAL_DIRS=str(folder))

    def _make_folder(self, name: str, secret: dict[str, str]) -> Path:
        (folder := self.folder / name).mkdir(mode=0o700)
        write_options(folder / "spark-defaults.conf", secret)
        return folder

    def _command(self, main_class: str, folder: Path) -> list[str]:
        spark_class = str(find_spark_home() / "bin" / "spark-class")
        return [spark_class, main_class, "--properties-file", str(folder / "spark-defaults.conf")]

    def _launch(self, name: str, command: list[str], **variables: str) -> None:
        environment = {variable: os.environ[variable] for variable in VARIABLES if variable in os.environ}
        environment |= {MARK: str(self.home), "SPARK_HOME": str(find_spark_home()), "SPARK_LOCAL_IP": "127.0.0.1",
                        "SPARK_DAEMON_MEMORY": "256m", **variables}  # fmt: skip
        with (self.logs / f"{name}.log").open("wb") as log:
            subprocess.Popen(command, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=log,
                             stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip

    def _wait(self, workers: int) -> None:
        """Until the master answers, and has so many workers."""
        until = time.monotonic() + START_SECONDS
        while (found := self._list_workers()) is None or len(found) < workers:
            if time.monotonic() > until:
                raise ChurnError(f"the cluster did not start within {START_SECONDS} s: see {self.logs}")
            time.sleep(0.2)

    def _list_workers(self) -> list[dict] | None:
        """The workers that are alive; None if the master does not answer."""
        try:
            page = json.loads(self._record.read_text())["page"]
            with urllib.request.urlopen(f"{page}/json/", timeout=5) as answer:
                workers = json.load(answer)["workers"]
        except (OSError, ValueError):
            return None
        return [worker for worker in workers if worker["state"] == "ALIVE"]


def write_options(file: Path, options: dict[str, str]) -> None:
    """A file of Spark's options that only its owner can read."""
    file.touch(mode=0o600)
    file.write_text("".join(f"{key} {value}\n" for key, value in options.items()))


def find_processes(home: Path) -> list[psutil.Process]:
    """The running processes of this home's cluster, with its executors and their Python."""
    return find_marked(MARK, home)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("start", "status", "stop"))
    parser.add_argument("--hide", action="append", default=[], type=Path, metavar="FOLDER",
                        help="that workers must not see, such as the raw files'; may be repeated")  # fmt: skip
    arguments = parser.parse_args(argv)
    cluster = Cluster(Settings.from_environment().home)
    if arguments.action == "start":
        cluster.start([folder.resolve() for folder in arguments.hide])
        what = "only what they reach by URL" if can_cover() else "this machine's folders: only root can hide them"
        print(f"{cluster.url}: {len(WORKERS)} workers, which see {what}\nexport SPARK_CONF_DIR={cluster.conf}")
    elif arguments.action == "stop":
        print("the cluster is stopped" if cluster.stop() else "no cluster was running")
    elif workers := cluster.find_workers():
        print(f"{cluster.url}: {len(workers)} workers\nexport SPARK_CONF_DIR={cluster.conf}")
    else:
        print("no cluster is running")


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
