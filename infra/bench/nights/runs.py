"""Runs the product and its peers as their users do, and measures each step."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from infra.bench.nights.homes import SHOP_FILE
from infra.bench.processes import MemorySampler, read_cpu_seconds
from infra.demo.simulated.simulate import SHOP
from infra.local.environment import AIRFLOW_PYTHON, JOBS_PYTHON, ROOT
from spark_jobs.contract.errors import ChurnError

PEERS = ("duckdb", "polars")
#: What of a run is Airflow's own, and what belongs to no step: chiefly the imports of the job server.
AIRFLOW, SHARED = "airflow", "job server, PostgreSQL"


@dataclass
class Step:
    """What a step has used; the time by the clock and the memory are unknown (0) for the steps of a peer."""

    cpu_seconds: float
    seconds: float = 0.0
    peak_bytes: int = 0


@dataclass
class Run:
    """One measured run. engine: a value of CHURN_ENGINE, or a peer. case: first load, ...; steps in their order."""

    customers: int
    engine: str
    case: str
    steps: dict[str, Step]
    seconds: float
    peak_bytes: int
    floor_seconds: float = 0.0

    def sum_cpu(self, *prefixes: str) -> float:
        """The CPU seconds of the steps whose names begin so, by default of all."""
        return sum(step.cpu_seconds for name, step in self.steps.items() if name.startswith(prefixes or ("",)))


def run_product(
    customers: int, case: str, environment: Mapping[str, str], runs: Sequence[str], options: Sequence[str] = ()
) -> Run:
    """Runs DAGs, such as etl@2024-12-26, by the tasks that Airflow starts in a night, with a new engine."""
    with tempfile.TemporaryDirectory() as name, MemorySampler() as memory:
        result = Path(name, "steps.json")
        command: list[str | Path] = [
            AIRFLOW_PYTHON,
            "-m",
            "infra.bench.nights.dag_night",
            result,
            "--shop",
            SHOP_FILE,
            *options,
            *runs,
        ]
        begin, before = time.monotonic(), read_cpu_seconds().below
        _require_success(command, environment)
        end, used = time.monotonic(), read_cpu_seconds().below - before
        steps: dict[str, Step] = {}
        for measured in json.loads(result.read_text()):
            step = steps.setdefault(measured["step"], Step(0.0))
            step.cpu_seconds += measured["cpu_seconds"]
            if "begin" in measured:
                step.seconds += measured["end"] - measured["begin"]
                step.peak_bytes = max(step.peak_bytes, memory.peak(measured["begin"], measured["end"]))
    steps[SHARED] = Step(max(0.0, used - sum(step.cpu_seconds for step in steps.values())))
    return Run(customers, environment["CHURN_ENGINE"], case, steps, end - begin, memory.peak(begin, end))


def run_compaction(customers: int, suffix: str, environment: Mapping[str, str], as_of: date) -> Run:
    """The weekly maintenance's compaction, as of this day."""
    begin, before = time.monotonic(), read_cpu_seconds().below
    _require_success(
        [JOBS_PYTHON, "-m", "spark_jobs.maintain", "--shop", SHOP_FILE, "--as-of", str(as_of), "compact"], environment
    )
    steps = {"maintenance.compact": Step(read_cpu_seconds().below - before)}
    return Run(customers, environment["CHURN_ENGINE"], f"weekly compaction{suffix}", steps, time.monotonic() - begin, 0)


def run_peer(
    engine: str, customers: int, case: str, home: Path, as_of: date, after: date | None, environment: Mapping[str, str]
) -> Run:
    """The ETL of a first load (after: None) or of a night."""
    with tempfile.TemporaryDirectory() as name, MemorySampler() as memory:
        result = Path(name, "steps.json")
        command: list[str | Path] = [JOBS_PYTHON, "-m", f"infra.bench.nights.{engine}_night",
                   "--raw", home / "landing" / SHOP, "--state", find_state(home, engine),
                   "--as-of", str(as_of), "--result", result,
                   *(["--after", str(after)] if after else [])]  # fmt: skip
        begin = time.monotonic()
        _require_success(command, environment)
        end = time.monotonic()
        steps = {step: Step(seconds) for step, seconds in json.loads(result.read_text()).items()}
    return Run(customers, engine, case, steps, end - begin, memory.peak(begin, end))


def find_state(home: Path, engine: str) -> Path:
    """Where a peer keeps its tables."""
    return home / engine


def _require_success(command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        raise ChurnError(f"{command[2]} failed: see its message above")
