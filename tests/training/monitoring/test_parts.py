"""Is each customer in one part, and are the parts about equal?"""

from __future__ import annotations

import pyarrow as pa
import pytest

from training.monitoring import parts
from training.monitoring.parts import split_customers

KEYS = pa.table({"key": [*(f"{number:032x}" for number in range(0, 16**32, 16**30)), "", "customer"]})


@pytest.mark.parametrize(("rows", "count"), [(0, 1), (parts.ROWS_AT_ONCE, 1), (parts.ROWS_AT_ONCE * 5 // 2, 3)])
def test_each_customer_is_in_one_range(rows, count):
    ranges = [*split_customers(rows)]
    sizes = [len(KEYS.filter(one.contains("key"))) for one in ranges]
    assert (len(ranges), sum(sizes)) == (count, len(KEYS))
    assert min(sizes) > len(KEYS) // count - 3
