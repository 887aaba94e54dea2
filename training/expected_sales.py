"""expected_sales: how much will today's eligible customers spend in each horizon, with an interval?

    python -m training.expected_sales --shop SHOP.toml --as-of 2011-09-06

Grain: (as_of, horizon_days), in the warehouse. Inputs: customer_series of the day, and spend.json of the model that
scores the day. Money is sales less refunds. All eligible customers are included, also those expected to churn, with the
little that they spend; future new customers are not. `python -m training.spend_backtest` measures the errors of such
sums and the coverage of their intervals.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import chain

import numpy as np

from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_SERIES
from spark_jobs.contract.warehouse_tables import EXPECTED_SALES
from spark_jobs.lake.restatement import find_known_as_of
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from spark_jobs.warehouse.stored import RUN_KEY, find_result, make_result_key
from training.selection.snapshots import read_known
from training.selection.spend import FEWEST_ERRORS, SpendModel
from training.selection.spend_line import SpendLine
from training.serving.bundle import load_spend
from training.tensors.dataset import TensorSpec
from training.tensors.money import limit_days
from training.tensors.series import Series

NO_INTERVAL = f"too few past errors to give an interval: fewer than {FEWEST_ERRORS}"


def add_up(
    series: Series, spec: TensorSpec, lines: Mapping[int, SpendLine], limits: Mapping[str, float]
) -> tuple[int, dict[int, float]]:
    """The number of customers, and their total expected spend by horizon, which no order of customers changes."""
    expected: dict[int, list[np.ndarray]] = {horizon: [] for horizon in lines}
    count = 0
    for chunk in series.chunks():
        chunk, _ = limit_days(chunk, limits)
        inputs, daily_rates = read_known(spec, chunk, series.as_of)
        count += len(inputs)
        for horizon, line in lines.items():
            expected[horizon].append(line.predict(inputs, daily_rates * horizon))
    return count, {horizon: math.fsum(chain.from_iterable(parts)) for horizon, parts in expected.items()}


def list_rows(count: int, sums: Mapping[int, float], model: SpendModel, facts: Mapping[str, object]) -> list[dict]:
    """The rows of expected_sales; facts: as_of, model_version, is_hindsight, run_key."""
    rows = []
    for horizon, expected in sums.items():
        low, high = model.interval(horizon, expected) or (None, None)
        rows.append({**facts, "horizon_days": horizon, "customers": count, "expected": _money(expected),
                     "low": _money(low), "high": _money(high)})  # fmt: skip
    return rows


def _money(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(f"{value:.2f}")


def run(lake: Lake, warehouse: Warehouse, shop: Shop, as_of: date) -> list[dict]:
    """Stores and returns the day's rows; none if the bundle has no model of spend. Rows that were stored from the same
    inputs are kept."""
    if as_of.isoformat() not in lake.partitions(CUSTOMER_SERIES):
        raise MissingInputError(f"no customer_series as of {as_of}: run the ETL of that day first")
    found = warehouse.model_for(shop, as_of)
    if found is None:
        raise MissingInputError(
            f"no promoted model for {shop.name}: churn train --shop {shop.name}, then churn approve --shop {shop.name}"
        )
    record, is_too_late = found
    key = make_result_key(lake, shop, [CUSTOMER_SERIES], as_of, record, is_too_late)
    if stored := find_result(warehouse, shop, "stored_sales", as_of, key):
        return [{**row, **{name: row[name] and Decimal(row[name]) for name in ("expected", "low", "high")}}
                for row in stored]  # fmt: skip
    spec, model = load_spend(record.location, record.bundle_hash)
    lines = {horizon: line for horizon, line in model.sales.items() if line} if model else {}
    if model is None or not lines:
        return []
    series = Series(lake.dataset(CUSTOMER_SERIES, [as_of.isoformat()]), as_of, rows_in_memory=0)
    count, sums = add_up(series, spec, lines, model.limits)
    is_hindsight = is_too_late or find_known_as_of(lake, as_of) is not None
    facts = {"as_of": as_of, "model_version": record.version, "is_hindsight": is_hindsight, RUN_KEY: key}
    rows = list_rows(count, sums, model, facts)
    warehouse.replace(shop, EXPECTED_SALES, rows, as_of=as_of)
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__, many_days=True), argv)
    settings = Settings.from_environment()
    lake, warehouse = Lake(settings.lake(shop.name)), connect(settings)
    warehouse.prepare(shop)
    for as_of in sorted(arguments.as_of):
        rows = run(lake, warehouse, shop, as_of)
        for row in rows:
            bounds = f"95 % {row['low']:,.2f} to {row['high']:,.2f}" if row["low"] is not None else NO_INTERVAL
            print(
                f"expected_sales {as_of}, {row['horizon_days']} days: {row['expected']:,.2f} {shop.currency}, {bounds}"
            )
        if not rows:
            print(f"expected_sales {as_of}: the model cannot predict spend, train a new one")


if __name__ == "__main__":
    sys.exit(run_command(main))
