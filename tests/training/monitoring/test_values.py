"""Do unusual values warn or block, and those within chance pass?"""

from __future__ import annotations

from training.monitoring.values import check_refunds


def test_refunds_beyond_sales_are_reported_and_warn_if_they_are_many():
    some = check_refunds(2, 19.0, 20_000.0, "EUR")
    assert (some.action, some.finding) == (
        "ok", "refunds of 2 customers exceed all that they ever paid, by 19.00 EUR: not counted"
    )  # fmt: skip
    assert check_refunds(2, 300.0, 20_000.0, "EUR").action == "warn"
    assert check_refunds(0, 0.0, 0.0, "EUR").action == "ok"
