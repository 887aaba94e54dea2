"""Does the check report months without prices, and accept free gifts?"""

from __future__ import annotations

from spark_jobs.checking.free_sales import describe_free_months, find_free_months


def test_a_month_is_named_where_most_sales_cost_nothing():
    months = {
        "2026-01": (500, 10),
        "2026-02": (500, 251),
        "2026-03": (20, 20),
        "2026-04": (19, 19),
        "2026-05": (40, 20),
    }
    assert find_free_months(months) == ["2026-02", "2026-03"]


def test_the_finding_names_the_months_and_the_remedy():
    assert describe_free_months(["2026-02"], 12).startswith("purchases: in 2026-02, most sales have the price 0")
    assert "in 2 of 12 months, 2026-02 to 2026-03" in describe_free_months(["2026-02", "2026-03"], 12)
    assert "map the column with the price" in describe_free_months(["2026-02"], 12)
