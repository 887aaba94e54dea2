"""Does the drift check block broken days, and no others? Checks every day of a shop, unchanged and with defects.

    python -m infra.bench.drift --shop infra/demo/simulated/shop.toml      # after a night, a training or a backtest

Needs customer_day in the lake. It reports the number of days that block for each planted defect. Unchanged days should
never block, nor should a holiday that is not listed: few records in complete files.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from training.monitoring.days import COUNTS, monitor_days, read_days
from training.monitoring.findings import BLOCK, OK
from training.monitoring.thresholds import FEWEST_WEEKS, USUAL_WEEKS

#: The share of records that is lost in a truncated delivery, and of customers who stay away on a holiday.
LOST = 0.7
STAYED_AWAY = 0.9


def lose_records(days: pd.DataFrame, is_today: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    return days[~is_today | (generator.random(len(days)) >= LOST)]


def lose_purchases(days: pd.DataFrame, is_today: np.ndarray, _: np.random.Generator) -> pd.DataFrame:
    broken = days.copy()
    broken.loc[is_today, list(COUNTS["purchases"])] = 0.0
    return broken


def close(days: pd.DataFrame, is_today: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    """A holiday: most customers stay away."""
    return days[~is_today | (generator.random(len(days)) >= STAYED_AWAY)]


def halve_purchases(days: pd.DataFrame, is_today: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    """A purchase file that is truncated after a complete line, so that it looks complete."""
    broken = days.copy()
    broken.loc[is_today & (generator.random(len(days)) < LOST), list(COUNTS["purchases"])] = 0.0
    return broken


def multiply(measure: str) -> Callable[[pd.DataFrame, np.ndarray, np.random.Generator], pd.DataFrame]:
    """A changed unit, such as pence instead of pounds."""

    def change(days: pd.DataFrame, is_today: np.ndarray, _: np.random.Generator) -> pd.DataFrame:
        broken = days.copy()
        broken.loc[is_today, measure] *= 100
        return broken

    return change


DEFECTS = {
    "as delivered": lambda days, is_today, generator: days,
    f"{LOST:.0%} of the records lost": lose_records,
    "no purchases": lose_purchases,
    "prices times 100": multiply("spend"),
    "quantities times 100": multiply("item_quantity"),
}
#: Defects of days whose files are complete.
WHOLE = {"a holiday that nobody listed": close, f"{LOST:.0%} of the purchases lost, files whole": halve_purchases}


def main(argv: Sequence[str] | None = None) -> None:
    _, shop = load_arguments(make_parser(__doc__, with_as_of=False), argv)
    lake, console = Lake(Settings.from_environment().lake(shop.name)), Console(highlight=False)
    if not (delivered := sorted(lake.partitions(CUSTOMER_DAY))):
        raise MissingInputError(f"{shop.name} has no customer_day: make nightly, or make backtest, first")
    last = date.fromisoformat(delivered[-1])
    days = pd.concat(read_days(lake, shop, last, since=date.min), ignore_index=True)
    span = (last - days["event_day"].min()).days
    nights = [last - timedelta(days=n) for n in range(span - 7 * FEWEST_WEEKS)]
    open_nights = [night for night in nights if not shop.is_closed(night)]
    table = Table("what was delivered", "days", *(f"days {action}" for action in (OK, "warn", BLOCK)))
    for name, plant in {**DEFECTS, **WHOLE}.items():
        whole = shop.sources if name in WHOLE else ()
        found = Counter(judge(days, shop, night, plant, whole) for night in track(open_nights, name, console=console))
        table.add_row(name, str(len(open_nights)), *(str(found[action]) for action in (OK, "warn", BLOCK)))
    console.print(table)


def judge(days: pd.DataFrame, shop: Shop, night: date, plant: Callable, whole_logs: Collection[str] = ()) -> str:
    """The most severe action of the night's findings. whole_logs: the logs whose files are complete."""
    known = days[(days["event_day"] <= night) & (days["event_day"] >= night - timedelta(weeks=USUAL_WEEKS))]
    broken = plant(known, (known["event_day"] == night).to_numpy(), np.random.default_rng(night.toordinal()))
    actions = {finding.action for finding in monitor_days([broken], shop, night, whole_logs=whole_logs)}
    return next((action for action in (BLOCK, "warn") if action in actions), OK)


if __name__ == "__main__":
    sys.exit(run_command(main))
