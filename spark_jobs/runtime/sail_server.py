"""Sail's Spark Connect server on this machine: the same calls as Spark's, without Java.

    python -m spark_jobs.runtime.sail_server PORT

Sail runs the jobs' functions in this process. It refuses the PySpark of the jobs, so the newest one that it takes comes
first on the path; the jobs, its clients, keep theirs.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from spark_jobs.contract.errors import ChurnError

#: Made by `make setup` where local shops run on Sail.
SAIL_ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-sail"

#: What setup writes into an environment once it is whole.
STAMP = "setup.stamp"

PR_SET_THP_DISABLE = 41  # of <linux/prctl.h>


def is_installed() -> bool:
    return _packages().is_dir() and (SAIL_ENVIRONMENT / STAMP).exists()


def find_packages() -> Path:
    """The folder with Sail's packages. Raises ChurnError if they are not installed."""
    if not is_installed():
        raise ChurnError("Sail is not installed: run CHURN_ENGINE=sail make setup")
    return _packages().parent


def _packages() -> Path:
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return SAIL_ENVIRONMENT / "lib" / python / "site-packages" / "pysail"


def refuse_huge_pages() -> None:
    """Tells Linux to give this process small pages. Reading many small files takes and returns much memory, and to zero
    2 MB for each piece was a sixth of a first load's CPU time."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)


def main(port: str) -> None:
    refuse_huge_pages()
    sys.path.insert(0, str(find_packages()))
    from pysail.spark import SparkConnectServer

    SparkConnectServer("127.0.0.1", int(port)).start(background=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
