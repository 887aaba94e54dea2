"""Runs every test that needs no cluster and no live Airflow, each in its environment, and sums up in pytest's words.

The DAGs' tests need Airflow's environment, all others the jobs'. Both suites always run; the last line counts them
together, and the exit code is 0 only if both passed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from infra.local.environment import AIRFLOW_PYTHON, JOBS_PYTHON, ROOT

SUITES = {
    "dags": [str(AIRFLOW_PYTHON), "-m", "pytest", "tests/dags", "--confcutdir=tests/dags"],
    "all others": [str(JOBS_PYTHON), "-m", "pytest", "tests", "--ignore=tests/dags", "--ignore=tests/airflow"],
}


def main(argv: Sequence[str] | None = None) -> int:
    counts, exit_codes, begin = Counter(), [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name, command in SUITES.items():
            print(f"tests: {name}", flush=True)
            report = Path(folder, "report.xml")
            report.unlink(missing_ok=True)
            exit_codes.append(subprocess.run([*command, f"--junit-xml={report}", *(argv or [])], cwd=ROOT).returncode)
            counts += count_results(report)
    print(sum_up(counts, time.monotonic() - begin))
    return max(exit_codes)


def count_results(report: Path) -> Counter:
    """Tests by result, from pytest's JUnit file; a suite that left none is an error."""
    if not report.exists():
        return Counter(error=1)
    suite = ElementTree.parse(report).getroot().find("testsuite")
    told = {kind: int(suite.get(kind, 0)) for kind in ("tests", "failures", "errors", "skipped")}
    passed = told["tests"] - told["failures"] - told["errors"] - told["skipped"]
    return Counter(failed=told["failures"], passed=passed, skipped=told["skipped"], error=told["errors"])


def sum_up(counts: Counter, seconds: float) -> str:
    parts = [f"{counts[kind]} {kind}" for kind in ("failed", "passed", "skipped", "error") if counts[kind]]
    return f"{', '.join(parts) or 'no tests ran'} in {seconds:.2f}s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
