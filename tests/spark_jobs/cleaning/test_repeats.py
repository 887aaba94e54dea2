"""Are duplicates that say something else called what they are?"""

from __future__ import annotations

from spark_jobs.cleaning.repeats import Conflicts
from spark_jobs.contract.shop.source import ColumnMapping, Source


def test_numbers_that_are_used_again_for_other_customers_are_not_called_changes():
    source = Source("purchases", "", "*", "csv", {"event_id": ColumnMapping("no")})
    assert "'no' is used again for other events" in Conflicts(9, 0, ("customer_id", "amount")).describe(source)
    assert "they have changed" in Conflicts(9, 0, ("amount", "customer_id")).describe(source)
