"""Runs every test that needs no cluster and no live Airflow, each in its environment, and sums up the results.

    python -m infra.local.run_tests [--cases] [PYTEST OPTION...]

Tests that need an engine run on that of local shops: Sail, or Spark where Sail is missing or refused a network.

--cases: instead those of exports and of histories of nights, which take minutes, on Spark. Where local shops run
on Sail, also exports on Sail, and on Spark the tests of the jobs that run on Sail without --cases.

The tests of the DAGs need Airflow's environment, all others the jobs'. Most tests leave a core idle for much of
the time, so two sequences of suites of about the same length run in parallel. All suites always run; the last line
counts them together, and the exit code is 0 only if all passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import NamedTuple
from xml.etree import ElementTree

from infra.local.environment import AIRFLOW_PYTHON, JOBS_PYTHON, ROOT, choose_engine
from spark_jobs.contract.settings import SAIL

AIRFLOWS, JOBS = ([str(python), "-m", "pytest"] for python in (AIRFLOW_PYTHON, JOBS_PYTHON))
ON_SAIL = ["env", "CHURN_TEST_ENGINE=sail", *JOBS]
HAS_SAIL = choose_engine({}) == SAIL
LOCAL = ON_SAIL if HAS_SAIL else JOBS
WITHOUT_ENGINE = ("tests/dags", "tests/airflow", "tests/training")
LONG = ("tests/end_to_end", "tests/flows/test_three_logs.py", "tests/infra", "tests/spark_jobs/test_erase.py")
#: Their writers are forked and killed with the JVM in the same process group.
FAULTS = "tests/faults"
CASES_ONLY = "--cases"
#: Exports of shops, what judges them, and histories of nights: minutes.
WHOLE_SHOPS = ("tests/cases", "tests/onboarding")
JUDGED = (
    "tests/spark_jobs/test_check.py", "tests/spark_jobs/cleaning/test_plausible.py", "tests/flows/test_any_layout.py",
    "tests/flows/test_nasty_values.py", "tests/flows/test_order_status.py", "tests/flows/test_shapes.py",
    "tests/flows/test_updates.py", "tests/flows/test_growing_lake.py", "tests/flows/test_object_store.py",
    "tests/flows/test_shared_spark.py",
)  # fmt: skip
APART = (*WHOLE_SHOPS, *JUDGED)


class Plan(NamedTuple):
    """Suites by name: those that run in sequence and are shown meanwhile, and those that run beside them, which are
    shown at the end."""

    shown: dict[str, list[str]]
    beside: dict[str, list[str]]


def ignoring(*places: str) -> list[str]:
    return [f"--ignore={place}" for place in places]


TESTS = Plan(
    {
        "all others": [*LOCAL, "tests", *ignoring(*WITHOUT_ENGINE, *LONG, FAULTS, *APART)],
        "dags": [*AIRFLOWS, "tests/dags", "--confcutdir=tests/dags"],
    },
    {
        "training": [*JOBS, "tests/training"],
        "long ones": [*LOCAL, *LONG],
        "faults": [*JOBS, FAULTS],
    },
)
BOTH_ENGINES = {
    "cases on Sail": [*ON_SAIL, "tests/cases"],
    "jobs on Spark": [*JOBS, "tests/spark_jobs", "tests/flows", *ignoring(*JUDGED), "--with-engine-only"],
}
CASES = Plan(
    {"whole shops": [*JOBS, *WHOLE_SHOPS]},
    {"judged exports": [*JOBS, *JUDGED], **(BOTH_ENGINES if HAS_SAIL else {})},
)


class Result(NamedTuple):
    """Tests by result, pytest's exit code and its output; None if that was shown already."""

    counts: Counter
    code: int
    output: str | None


def main(argv: Sequence[str] | None = None) -> int:
    begin, options = time.monotonic(), [option for option in argv or () if option != CASES_ONLY]
    plan = CASES if CASES_ONLY in (argv or ()) else TESTS
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(lambda: {name: run_suite(command, options, PIPE) for name, command in plan.beside.items()})
        results = {name: run_suite(command, options) for name, command in plan.shown.items()} | beside.result()
    for name, result in results.items():
        print(f"tests: {name}\n{result.output}" if result.output else "", end="")
    print(sum_up(sum((result.counts for result in results.values()), Counter()), time.monotonic() - begin))
    return max(result.code for result in results.values())


def run_suite(command: Sequence[str], options: Sequence[str], output: int | None = None) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        arguments = [*command, f"--junit-xml={report}", *options]
        # Both sequences share the cores: waiting OpenMP threads would take CPU time from the other one.
        environment = {"OMP_NUM_THREADS": "1", **os.environ}
        done = subprocess.run(arguments, cwd=ROOT, env=environment, text=True, stdout=output, stderr=output and STDOUT)
        return Result(count_results(report), done.returncode, done.stdout)


def count_results(report: Path) -> Counter:
    """Tests by result, from pytest's JUnit file; a suite without one counts as an error."""
    if not report.exists():
        return Counter(error=1)
    suite = ElementTree.parse(report).getroot().find("testsuite")
    if suite is None:
        return Counter(error=1)
    counted = {kind: int(suite.get(kind, 0)) for kind in ("tests", "failures", "errors", "skipped")}
    passed = counted["tests"] - counted["failures"] - counted["errors"] - counted["skipped"]
    return Counter(failed=counted["failures"], passed=passed, skipped=counted["skipped"], error=counted["errors"])


def sum_up(counts: Counter, seconds: float) -> str:
    parts = [f"{counts[kind]} {kind}" for kind in ("failed", "passed", "skipped", "error") if counts[kind]]
    return f"{', '.join(parts) or 'no tests ran'} in {seconds:.2f}s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
