"""Does a night warn of an id that is a placeholder for no customer?"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from spark_jobs.cleaning.dominant import find_dominant_key

PEOPLE = [f"400{n:04}" for n in range(200)]


def test_a_night_warns_of_a_customer_with_an_implausible_share_of_recent_events(spark):
    newest, noon = date(2026, 5, 30), datetime(2026, 5, 30, 12)
    rows = [(customer, noon + timedelta(minutes=n), newest) for n in range(2) for customer in PEOPLE]
    wholesaler = [("big", noon, newest)] * 900
    before = [("nobody", noon + timedelta(minutes=n), newest - timedelta(days=40)) for n in range(50)]

    def find(*more):
        schema = "customer_id string, event_at timestamp, delivery_day date"
        return find_dominant_key(spark.createDataFrame([*rows, *wholesaler, *before, *more], schema), newest)

    assert find() is None
    assert find(*[("nobody", noon + timedelta(minutes=n), newest) for n in range(45)]) == ("nobody", 45 / 446)
