"""Does the check measure how late files arrive?"""

from __future__ import annotations

from datetime import date, timedelta

from spark_jobs.checking.history import measure_delay
from tests.training.series import make_shop

LAST = date(2026, 6, 1)


def test_the_delay_is_measured_on_complete_days_of_the_activity(spark):
    late = {"sale": 4, "return": 9}
    rows = [
        (kind, 1, LAST - timedelta(n), LAST - timedelta(n - days))
        for kind, days in late.items()
        for n in range(30, 150)
    ]
    newer = [("sale", 1, LAST - timedelta(n), LAST - timedelta(n)) for n in range(30)] * 9
    events = spark.createDataFrame(rows + newer, "kind string, weight int, event_day date, delivery_day date")
    assert measure_delay(events, make_shop(), LAST) == 4
