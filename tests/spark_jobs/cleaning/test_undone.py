"""Does the night leave out the same undone sales as training?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from spark_jobs.cleaning.undone import leave_out_undone
from spark_jobs.contract.windows import ChurnDefinition
from training.tensors.activity import find_undone_days
from training.tensors.rows import SeriesRows

FIRST = date(2024, 1, 1)


def draw_days(customers: int) -> list[tuple[int, int, int, int, int]]:
    """(customer, day, sales, spend in cents, refund in cents); few different amounts, so that many refunds match a
    sale."""
    generator = np.random.default_rng(5)
    rows = []
    for customer in range(customers):
        for day in sorted(generator.choice(60, generator.integers(1, 25), replace=False)):
            spent, refund = generator.choice([0, 1, 500, 1000], 2, p=[0.4, 0.1, 0.3, 0.2])
            rows.append((customer, int(day), int(generator.integers(0, 3)), int(spent), int(refund)))
    return rows


@pytest.mark.parametrize("within_days", [0, 7])
def test_spark_and_numpy_find_the_same_undone_sales(spark, within_days):
    drawn = draw_days(150)
    row, day, count, spend, refund = (np.array(values) for values in zip(*drawn, strict=True))
    measures = {"sale_count": count, "spend": spend / 100, "refund": refund / 100}
    series = SeriesRows(np.zeros(150, np.int64), row, day, measures)
    undone = find_undone_days(series, ChurnDefinition(undone_within_days=within_days)) < 1000
    assert 100 < undone.sum() < len(undone) / 2
    rows = [(str(c), FIRST + timedelta(d), n, Decimal(s) / 100, Decimal(r) / 100) for c, d, n, s, r in drawn]
    days = spark.createDataFrame(rows, "customer_id string, event_day date, sale_count long, spend decimal(18,2), "
                                       "refund decimal(18,2)")  # fmt: skip
    kept = leave_out_undone(days, within_days).where("sale_count > 0").select("customer_id", "event_day").collect()
    expected = {(str(c), FIRST + timedelta(int(d))) for c, d, n, lost in zip(row, day, count, undone, strict=True)
                if n and not lost}  # fmt: skip
    assert {(found["customer_id"], found["event_day"]) for found in kept} == expected
