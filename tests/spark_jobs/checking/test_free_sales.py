"""Does the check name months whose prices are not filled in, and leave free gifts alone?"""

from __future__ import annotations

from spark_jobs.checking.free_sales import find_free_months, say_free


def test_a_month_is_named_where_most_sales_cost_nothing():
    months = {
        "2026-01": (500, 10),
        "2026-02": (500, 251),
        "2026-03": (20, 20),
        "2026-04": (19, 19),
        "2026-05": (40, 20),
    }
    assert find_free_months(months) == ["2026-02", "2026-03"]


def test_the_sentence_says_when_and_what_to_do():
    assert say_free(["2026-02"], 12).startswith("purchases: in 2026-02, most sales have the price 0")
    assert "in 2 of 12 months, 2026-02 to 2026-03" in say_free(["2026-02", "2026-03"], 12)
    assert "map the column that holds the price" in say_free(["2026-02"], 12)
