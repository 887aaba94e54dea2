"""Is the label delay the fewest days after which a window is nearly complete?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.contract.label_delay import LONGEST_DELAY_DAYS, find_label_delay


@given(st.dictionaries(st.integers(-2, 60), st.integers(1, 50), min_size=1, max_size=8), st.integers(31, 90))
def test_the_delay_is_the_fewest_days_after_which_a_window_is_nearly_complete(records, horizon):
    delay, total = find_label_delay(records, horizon), sum(records.values())

    def lacks(days: int) -> float:
        """The share of a window that is missing some days after its end, summed day by day."""
        missing = [count for back in range(horizon) for late, count in records.items()
                   if min(late, LONGEST_DELAY_DAYS) > days + back]  # fmt: skip
        return sum(missing) / total / horizon

    if total < 100:
        assert delay == 0
        return
    assert lacks(delay) <= 0.005 + 1e-9
    assert delay == 0 or lacks(delay - 1) > 0.005 - 1e-9


@pytest.mark.parametrize(
    ("records", "delay"),
    [({0: 900, -1: 100}, 0), ({0: 990, 10: 10}, 0), ({0: 900, 3: 100}, 2), ({3: 500, 7: 500}, 7), ({5: 500}, 5),
     ({90: 500}, LONGEST_DELAY_DAYS)],
)  # fmt: skip
def test_a_few_late_records_are_no_delay_and_late_files_are(records, delay):
    assert find_label_delay(records, 30) == delay
