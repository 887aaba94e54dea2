"""Further logs of the shop in tests/flows/test_shapes.py: nested Parquet with zones, a sheet between other rows."""

from collections import Counter

from tests.flows.test_shapes import judge_shape


def test_each_item_of_a_parquet_row_is_an_event_at_the_time_of_its_zone(spark, tmp_path):
    clean, _ = judge_shape(spark, tmp_path, "browses")
    assert Counter((row["product_id"], str(row["event_at"]), str(row["event_day"])) for row in clean) == {
        ("A11", "2026-10-20 21:30:00", "2026-10-20"): 1, ("A12", "2026-10-20 21:30:00", "2026-10-20"): 1,
        (None, "2026-10-19 23:30:00", "2026-10-20"): 1,
    }  # fmt: skip


def test_lines_around_the_records_of_a_sheet_are_counted_and_stop_no_night(spark, tmp_path):
    clean, reasons = judge_shape(spark, tmp_path, "reviews")
    assert [str(row["event_day"]) for row in clean] == ["2026-10-20"]
    assert reasons == {"line_skipped": 2, "line_empty": 1}
