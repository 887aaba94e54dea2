"""Do the entries of a series add up to what a customer's rows say, in any order?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from spark_jobs.cleaning import entries
from spark_jobs.contract.measures import MEASURES, SET_COUNTS, SETS
from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.lake.schemas import arrow_schema

AS_OF = date(2024, 3, 1)


def draw_rows(customers: int) -> list[dict]:
    """Rows of customers 0, 1, ..., each of up to 30: several of a day, late ones, with sets of few values or null."""
    generator = np.random.default_rng(11)
    rows = []
    for number in range(customers):
        for _ in range(generator.integers(1, 30)):
            row = {"customer_id": f"c{number:03}", "event_day": AS_OF - timedelta(int(generator.integers(0, 6))),
                   "late_days": int(generator.integers(0, 4))}  # fmt: skip
            for measure in MEASURES:
                cents = int(generator.integers(-99_999, 99_999))
                row[measure.name] = Decimal(cents).scaleb(-2) if "decimal" in measure.type else cents
            for one in SETS:
                drawn = generator.choice(4, generator.integers(0, 3), replace=False).tolist()
                values = [f"name {n}" for n in drawn] if "string" in one.type else drawn
                row[one.name] = values if generator.random() < 0.9 else None
            rows.append(row)
    return rows


def make_table(rows: list[dict]) -> pa.Table:
    schema = arrow_schema(CUSTOMER_DAY)
    types = {field.name: field.type for field in schema} | {"late_days": pa.int32()}
    return pa.table({name: pa.array([row[name] for row in rows], types[name]) for name in rows[0]})


def add_up(rows: list[dict], has_categories: bool) -> dict:
    """The series of one customer, entry by entry."""
    parts = sorted({(row["event_day"], row["late_days"]) for row in rows})
    series = {"days": [day for day, _ in parts], "late_days": [late for _, late in parts]}
    met: dict[str, tuple] = {}
    for row in rows if has_categories else ():
        for category in row["categories"] or ():
            part = row["event_day"] + timedelta(row["late_days"]), row["event_day"], row["late_days"]
            met[category] = min(met.get(category, part), part)
    series["new_category_count"] = [sum(part[1:] == own for part in met.values()) for own in parts]
    for measure in MEASURES:
        series[measure.name] = [
            float(sum(row[measure.name] for row in rows if own == (row["event_day"], row["late_days"])))
            for own in parts
        ]
    for count in SET_COUNTS:
        series[count.name] = [count_known(rows, count, *own) - count_known(rows, count, own[0], own[1] - 1)
                              for own in parts]  # fmt: skip
    return series


def count_known(rows: list[dict], count, day: date, late_days: int) -> int:
    def unite(name: str) -> set:
        known = (row for row in rows if row["event_day"] == day and row["late_days"] <= late_days)
        return {value for row in known for value in row[name] or ()} if name else set()

    return len(unite(count.counts) - unite(count.without))


@pytest.mark.parametrize("has_categories", [True, False])
def test_entries_add_up_to_the_rows_in_any_order(has_categories):
    drawn = draw_rows(40)
    rows = make_table(drawn).take(np.random.default_rng(1).permutation(len(drawn)))
    series = entries.collect_series(rows, AS_OF, None, has_categories).sort_by("customer_id").to_pylist()
    assert [row["customer_id"] for row in series] == [f"c{number:03}" for number in range(40)]
    for row in series:
        expected = add_up([one for one in drawn if one["customer_id"] == row["customer_id"]], has_categories)
        assert {name: row[name] for name in expected} == expected
        assert (row["first_day"], row["as_of"], row["known_as_of"]) == (expected["days"][0], AS_OF, None)


def test_sums_are_exact_where_they_exceed_64_bits():
    row = draw_rows(1)[0] | {"spend": Decimal("9999999999999999.99")}
    series = entries.collect_series(make_table([row] * 20), AS_OF, None, True)
    assert series["spend"].to_pylist() == [[float(row["spend"] * 20)]]


def test_sets_that_are_compared_are_of_numbers():
    types = {one.name: one.type for one in SETS}
    compared = [name for count in SET_COUNTS if count.without for name in (count.counts, count.without)]
    assert compared
    assert {types[name] for name in compared} == {"array<bigint>"}  # texts are numbered in each set apart
