"""Writes the simulated shop's logs once; the same arguments always give the same files."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # started by its path

from infra.demo.simulated.simulate import CUSTOMERS, DAYS, FIRST_DAY, SEED, SHOP, simulate
from spark_jobs.contract.settings import Settings
from spark_jobs.runtime.session import open_session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="CHURN_HOME")
    parser.add_argument("--until", type=date.fromisoformat, help="last day to land")
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    arguments = parser.parse_args()
    if (arguments.home / "truth" / SHOP / "planted.json").exists():
        return
    days = (arguments.until - FIRST_DAY).days + 1 if arguments.until else DAYS
    print(f"simulating {arguments.customers:,} customers over {days} days", flush=True)
    spark = open_session("simulate", Settings.from_environment())
    simulate(spark, arguments.home.absolute(), arguments.customers, days, SEED, FIRST_DAY)


if __name__ == "__main__":
    main()
