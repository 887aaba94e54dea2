"""Do few records block only where chance cannot explain them?"""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd

from tests.training.series import make_shop
from training.monitoring.volume import check_volume

NIGHT = date(2024, 6, 30)
SHOP = make_shop(is_whole=True)


def test_a_few_customers_with_many_records_may_all_be_absent_for_a_day():
    def usual(customers: int) -> pd.DataFrame:
        rows = {NIGHT - timedelta(weeks=n): (20 * customers, customers) for n in range(1, 9)}
        return pd.DataFrame.from_dict(rows, orient="index", columns=["records", "customers"])

    assert check_volume(usual(7), "purchases", SHOP, NIGHT).action == "ok"
    assert check_volume(usual(30), "purchases", SHOP, NIGHT).action == "block"
