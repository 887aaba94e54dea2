"""The best possible AUROC in the simulated shop: that of an oracle, compared with recency alone.

    python -m infra.demo.simulated.oracle --home .churn [--cutoffs 2024-09-25,2024-10-30,2024-12-25]

The oracle knows every customer's order rate and state on the day, but not the future. A model's skill is
(AUROC - .5) / (AUROC of the oracle - .5).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from infra.demo.simulated.life import HORIZONS_DAYS
from infra.demo.simulated.simulate import SHOP
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.windows import activity_window, label_window
from spark_jobs.runtime.command import day, run_command

COLUMNS = ("cut-off", "days", "customers", "churned", "oracle AUROC", "recency AUROC")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="CHURN_HOME")
    parser.add_argument("--cutoffs", type=lambda text: [day(word) for word in text.split(",")])
    arguments = parser.parse_args(argv)
    table = Table(*COLUMNS)
    for *counts, churned, oracle, recency in measure(arguments.home, arguments.cutoffs):
        table.add_row(*map(str, counts), f"{churned:.3f}", f"{oracle:.3f}", f"{recency:.3f}")
    Console(highlight=False).print(table)


def known_days(home: Path) -> list[date]:
    """The days, one a week, with stored truth. Raises MissingInputError if there are none."""
    states = home / "truth" / SHOP / "states"
    if not states.is_dir():
        raise MissingInputError(f"no truth below {states}: run infra.demo.simulated.simulate first")
    return sorted(pd.read_parquet(states, columns=["day"])["day"].unique())


def measure(home: Path, cutoffs: Sequence[date] | None = None) -> list[tuple]:
    """Rows of COLUMNS; by default for three cut-offs whose outcomes are known."""
    known = known_days(home)
    states, orders = pd.read_parquet(home / "truth" / SHOP / "states"), read_orders(home)
    last = max(orders["day"])
    closed = [at for at in known if at + timedelta(days=HORIZONS_DAYS[-1]) <= last]
    chosen = cutoffs or [closed[len(closed) * part // 4] for part in (2, 3)] + [closed[-1]]
    return [row for at in chosen for row in _measure_cutoff(states[states["day"] == at], orders, at)]


def read_orders(home: Path) -> pd.DataFrame:
    """customer and day of the order lines, without broken lines; guest ids are replaced by the customer's."""
    files = sorted((home / "landing" / SHOP / "purchases").glob("*.csv.gz"))
    lines = pd.concat([pd.read_csv(file, dtype=str, on_bad_lines="skip") for file in files])
    good = lines[
        ~lines["line"].str.endswith("-broken", na=True) & (lines["type"] == "sale") & lines["customer"].notna()
    ]
    names = good["customer"].str.removesuffix("-guest")
    days = pd.to_datetime(good["at"], errors="coerce").dt.date
    return pd.DataFrame({"customer": names, "day": days}).dropna().drop_duplicates()


def _measure_cutoff(states: pd.DataFrame, orders: pd.DataFrame, at: date) -> list[tuple]:
    past = orders[orders["day"] <= at].groupby("customer")["day"].max()
    people = states.set_index("customer").join(past.rename("last"), how="inner")
    rows = []
    for horizon in HORIZONS_DAYS:
        active = people[people["last"] >= activity_window(at, horizon).first]
        after = label_window(at, horizon)
        stayed = orders[(orders["day"] >= after.first) & (orders["day"] <= after.last)]["customer"].unique()
        churned = ~active.index.isin(stayed)
        quiet = active["last"].map(lambda day: (at - day).days)
        oracle, recency = roc_auc_score(churned, active[f"p_{horizon}d"]), roc_auc_score(churned, quiet)
        rows.append((at, horizon, len(active), float(churned.mean()), float(oracle), float(recency)))
    return rows


if __name__ == "__main__":
    sys.exit(run_command(main))
