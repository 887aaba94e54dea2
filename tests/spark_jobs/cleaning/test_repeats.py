"""Are duplicates with different content reported correctly?"""

from __future__ import annotations

from spark_jobs.cleaning.repeats import Conflicts
from spark_jobs.contract.shop.source import ColumnMapping, Source


def test_reused_numbers_of_other_customers_are_not_changes():
    source = Source("purchases", "", "*", "csv", {"event_id": ColumnMapping("no")})
    assert "'no' is used again for other events" in Conflicts(9, 0, ("customer_id", "amount")).describe(source)
    assert "they have changed" in Conflicts(9, 0, ("amount", "customer_id")).describe(source)
