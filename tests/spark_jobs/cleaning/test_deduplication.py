"""Which delivery days are searched for duplicates?"""

from datetime import date

from spark_jobs.cleaning.deduplication import choose_days

MAY_1, MAY_9, MAY_20 = date(2024, 5, 1), date(2024, 5, 9), date(2024, 5, 20)
RANGES = {
    "before": (MAY_1, date(2024, 5, 8)),
    "up to it": (MAY_1, MAY_9),
    "around it": (MAY_1, date(2024, 5, 31)),
    "after": (date(2024, 5, 21), date(2024, 5, 21)),
    "from its end": (MAY_20, date(2024, 5, 31)),
    "unknown": None,
}


def test_only_deliveries_with_possible_events_of_the_nights_days_are_searched():
    assert choose_days(RANGES, MAY_9, MAY_20) == ["up to it", "around it", "from its end", "unknown"]
