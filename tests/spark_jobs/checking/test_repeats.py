"""Are changed records found that count twice because they have no ids?"""

from __future__ import annotations

from datetime import datetime

from spark_jobs.checking.repeats import count_changed


def test_changed_records_without_ids_are_counted_and_new_ones_are_not(spark):
    def at(hour, *rows):
        return [(customer, datetime(2026, 5, 30, hour), file, verdict) for customer, file, verdict in rows]

    changed = [("a", "1", "clean"), ("a", "2", "clean"), ("a", "2", "duplicate")]
    rows = [
        *at(12, *changed),
        *at(0, *changed),  # an export with days only
        *at(13, ("a", "1", "clean"), ("a", "1", "clean"), ("a", "2", "duplicate")),
        *at(14, ("a", "1", "clean"), ("a", "2", "clean")),
    ]
    schema = "customer_id string, event_at timestamp, delivery_id string, verdict string"
    assert count_changed(spark.createDataFrame(rows, schema), "UTC") == 1
