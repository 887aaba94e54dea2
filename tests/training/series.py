"""Small series for tests: a shop, and customers given as {day: {measure: value}}."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.measures import SERIES_MEASURES
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.contract.windows import ChurnDefinition

START = date(2024, 1, 1)
PURCHASE = {"sale_count": 1.0, "item_quantity": 2.0, "spend": 10.0}


def make_source(log: str, names: Iterable[str]) -> Source:
    return Source(log, f"raw/{log}", "*.csv", "csv", {name: ColumnMapping(column=name) for name in names})


def make_shop(is_whole: bool = False, churn: ChurnDefinition | None = None, **model: object) -> Shop:
    """A shop with a plain purchase log; with is_whole all three logs with all columns."""
    sources = {"purchases": make_source("purchases", ["customer_id", "event_at", "quantity", "unit_price", "kind"])}
    if is_whole:
        sources = {name: make_source(name, log.canonical) for name, log in LOGS.items()}
    return Shop("corner", "UTC", "EUR", sources, churn=churn or ChurnDefinition(), model=model)


def day(number: int) -> date:
    """The day this many days after START."""
    return START + timedelta(days=number)


def make_series(customers: Mapping[str, Mapping[Any, Mapping[str, float]]], as_of: date) -> pa.Table:
    """customer -> {day number: measures of that day}, as in training_series; other measures are 0. A day delivered in
    parts has one key per part: (day number, days late).
    """
    parts = [
        sorted((((key, 0) if isinstance(key, int) else key, own) for key, own in facts.items()), key=lambda e: e[0])
        for facts in customers.values()
    ]
    days = [[day(n) for (n, _), _ in entries] for entries in parts]
    columns = {
        "customer_id": pa.array(list(customers), pa.string()),
        "first_day": pa.array([own[0] for own in days], pa.date32()),
        "days": pa.array(days, pa.list_(pa.date32())),
        "late_days": pa.array([[late for (_, late), _ in entries] for entries in parts], pa.list_(pa.int32())),
    }
    for measure in SERIES_MEASURES:
        values = [[float(own.get(measure.name, 0)) for _, own in entries] for entries in parts]
        columns[measure.name] = pa.array(values, pa.list_(pa.float64()))
    columns["as_of"] = pa.array([as_of] * len(days), pa.date32())
    return pa.table(columns)


def draw_shop_series(customers: int, days: int, seed: int = 0) -> pa.Table:
    """Customers with individual purchase rates who leave for good at some day, so that there is something to learn."""
    generator = np.random.default_rng(seed)
    drawn = {}
    for number in range(customers):
        first = int(generator.integers(0, days * 2 // 3))
        left = first + int(generator.exponential(120)) + 1
        gap = generator.gamma(2.0, 8.0) + 1
        bought, at = {}, float(first)
        while at < min(left, days):
            count = int(generator.integers(1, 5))
            bought[int(at)] = {"sale_count": count, "item_quantity": count, "spend": round(count * 7.5, 2)}
            at += generator.exponential(gap) + 1
        drawn[f"customer-{number:05d}"] = bought
    return make_series(drawn, day(days - 1))
