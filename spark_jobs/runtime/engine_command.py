"""The command that starts the server of engine.py, and what it depends on. Standard library only."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spark_jobs.contract.settings import CONNECT, SAIL
from spark_jobs.runtime import sail_server
from spark_jobs.runtime.java import require_java

SERVER_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
#: How often a job reconnects to its results. The queries of a killed job are dropped after this time.
STREAM_SECONDS, DETACHED_SECONDS, SESSION_MINUTES = 15, 20, 60


@dataclass(frozen=True)
class EngineOptions:
    """How the server is started. engine: connect or sail. conf: Spark options for all its sessions."""

    master: str
    conf: Mapping[str, str]
    idle_seconds: int
    engine: str = CONNECT

    @property
    def title(self) -> str:
        return "Sail" if self.engine == SAIL else "Spark's Connect server"


def make_command(port: int, options: EngineOptions) -> list[str]:
    """The command that starts the server. Raises ChurnError if its engine, or Spark's Java, is not installed."""
    if options.engine == SAIL:
        sail_server.find_packages()
        return [sys.executable, "-m", sail_server.__name__, str(port)]
    require_java()
    conf = {
        **options.conf,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.connect.execute.reattachable.senderMaxStreamDuration": f"{STREAM_SECONDS}s",
        "spark.connect.execute.manager.detachedTimeout": f"{DETACHED_SECONDS}s",
        "spark.connect.execute.manager.maintenanceInterval": "5s",
        "spark.connect.session.manager.defaultSessionTimeout": f"{SESSION_MINUTES}m",
    }
    words = [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    submit = str(find_spark_home() / "bin" / "spark-submit")
    return [submit, "--class", SERVER_CLASS, "--master", options.master, "--name", "churn", *words, "spark-internal"]


def find_spark_home() -> Path:
    if given := os.environ.get("SPARK_HOME"):
        return Path(given)
    spec = importlib.util.find_spec("pyspark")
    return Path(spec.origin or "").parent if spec else Path()
