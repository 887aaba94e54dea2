"""Does a series record when its entries became known, so that it can be truncated to an earlier state?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from spark_jobs.contract.measures import MEASURES, SETS
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, TRAINING_SERIES
from spark_jobs.customer_series import build_series
from tests.training.series import make_shop
from training.tensors.rows import read_rows, to_day_number
from training.tensors.series import truncate

FIRST, LAST, THEN = date(2024, 1, 1), date(2024, 2, 29), date(2024, 2, 14)
SHOP = make_shop(is_whole=True)
#: A delivery of this many days at once is a dump of history.
DUMP = FIRST + timedelta(20)
COUNTED = ("session_count", "abandoned_cart_count", "viewed_category_count", "new_category_count")


def draw_days(customers: int) -> list[dict]:
    """Rows of customer_day: each day of a customer in up to three deliveries; a dump also has the first 20 days."""
    generator = np.random.default_rng(3)
    rows = []
    for number in range(customers):
        for n in generator.choice(60, 25, replace=False):
            event_day = FIRST + timedelta(int(n))
            for late in generator.choice([0, 1, 6, 15, 40], generator.integers(1, 4), replace=False):
                delivery_day = event_day + timedelta(int(late))
                rows.append(draw_row(generator, number, event_day, DUMP if event_day < DUMP else delivery_day))
    sold = draw_row(generator, customers, THEN, THEN) | {"sale_count": 2}
    rows += [sold, sold | {m.name: -sold[m.name] for m in MEASURES} | {"delivery_day": LAST}]  # it was withdrawn
    unique = {(row["customer_id"], row["event_day"], row["delivery_day"]): row for row in rows}
    return list(unique.values())


def draw_row(generator: np.random.Generator, number: int, event_day: date, delivery_day: date) -> dict:
    row = {m.name: Decimal(int(generator.integers(0, 3))) if "decimal" in m.type else int(generator.integers(0, 3))
           for m in MEASURES}  # fmt: skip
    for s in SETS:
        drawn = generator.choice(4, generator.integers(0, 3), replace=False).tolist()
        row[s.name] = [f"{s.name} {n}" for n in drawn] if "string" in s.type else drawn
    return {"customer_id": f"c{number}", "event_day": event_day, **row, "delivery_day": delivery_day}


@pytest.fixture(scope="module")
def drawn() -> list[dict]:
    return draw_days(12)


@pytest.fixture(scope="module")
def build(spark, drawn):
    """Builds a series of which c1 is merged into c0."""
    rows = [tuple(row[name] for name in CUSTOMER_DAY.column_names) for row in drawn]
    frame = spark.createDataFrame(rows, CUSTOMER_DAY.ddl).persist()

    @cache
    def build(as_of: date, table: Table = TRAINING_SERIES, restate: date | None = None) -> pa.Table:
        series = build_series(frame, SHOP, as_of, table, {"c1": "c0"}, restate)
        return series.toArrow().combine_chunks().sort_by("customer_id")

    yield build
    frame.unpersist()


def list_parts(series: pa.Table) -> set[tuple[date, int]]:
    """Day and days late of every entry."""
    pairs = zip(series["days"].to_pylist(), series["late_days"].to_pylist(), strict=True)
    return {part for days, late_days in pairs for part in zip(days, late_days, strict=True)}


def test_a_truncated_later_series_equals_the_earlier_one(build):
    original, later = build(THEN), build(LAST)
    assert {late for _, late in list_parts(original)} == {0, 1, 6, 15}
    assert truncate(later, THEN).select(original.column_names).to_pylist() == original.to_pylist()


def test_a_day_combines_all_its_deliveries(build, drawn):
    series = build(THEN)
    rows = read_rows(series, (*(m.name for m in MEASURES), *COUNTED))
    names = [series["customer_id"][int(n)].as_py() for n in rows.row]
    met: dict[str, set[str]] = {}
    for entry, name in enumerate(names):
        own = [row for row in drawn if row["customer_id"] in (("c0", "c1") if name == "c0" else (name,))
               and row["delivery_day"] <= THEN and to_day_number(row["event_day"]) == rows.day[entry]]  # fmt: skip
        united = {s.name: {value for row in own for value in row[s.name]} for s in SETS}
        met.setdefault(name, set()).update(united["categories"])
        expected = {m.name: sum(row[m.name] for row in own) for m in MEASURES}
        expected |= {
            "session_count": len(united["sessions"]),
            "viewed_category_count": len(united["viewed_categories"]),
            "abandoned_cart_count": len(united["carted_products"] - united["bought_products"]),
        }
        assert {measure: rows.measures[measure][entry] for measure in expected} == expected, (name, rows.day[entry])
    new = np.bincount(rows.row, rows.measures["new_category_count"])
    assert dict(zip(series["customer_id"].to_pylist(), new, strict=True)) == {n: len(own) for n, own in met.items()}


def test_a_withdrawn_sale_makes_eligible_only_before_its_withdrawal(build):
    def is_there(series: pa.Table) -> bool:
        return "c12" in series["customer_id"].to_pylist()

    assert is_there(build(THEN))
    assert is_there(build(LAST))
    assert not is_there(build(THEN, CUSTOMER_SERIES, LAST))


def test_events_of_a_dump_count_as_known_on_their_days(build):
    assert {late for day, late in list_parts(build(LAST)) if day < DUMP} == {0}


def test_a_restated_night_includes_later_deliveries(build):
    restated = list_parts(build(THEN, CUSTOMER_SERIES, LAST))
    assert {day for day, _ in restated} == {FIRST + timedelta(n) for n in range((THEN - FIRST).days + 1)}
    assert max(day + timedelta(late) for day, late in restated) == THEN


def test_a_join_that_changes_while_it_runs_separates_no_customers_rows(spark, drawn, build):
    """Planned for large tables, Spark sorts both sides of a join; once it has seen that one is small, it does not."""
    names = {"spark.sql.autoBroadcastJoinThreshold": "-1", "spark.sql.adaptive.autoBroadcastJoinThreshold": "10MB",
             "spark.sql.adaptive.coalescePartitions.enabled": "false"}  # fmt: skip
    before = {name: spark.conf.get(name, None) for name in names}
    rows = [tuple(row[name] for name in CUSTOMER_DAY.column_names) for row in drawn]
    try:
        for name, value in names.items():
            spark.conf.set(name, value)
        frame = spark.createDataFrame(rows, CUSTOMER_DAY.ddl).repartition(4)
        series = build_series(frame, SHOP, LAST, TRAINING_SERIES, {"c1": "c0"}).toArrow().sort_by("customer_id")
    finally:
        for name, value in before.items():
            spark.conf.unset(name) if value is None else spark.conf.set(name, value)
    assert series.to_pylist() == build(LAST).to_pylist()
