"""How many published days does a night rebuild, and is the rest reported?"""

from datetime import UTC, date, datetime

import pytest

from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.lake.backlog import list_waiting, note_waiting, take_share
from spark_jobs.lake.ledger import Run, append_run
from spark_jobs.lake.store import Lake

SIZES = {"a": 4, "b": 5, "c": 6}


@pytest.mark.parametrize(("budget", "taken"), [(None, "abc"), (0, "a"), (8, "a"), (9, "ab"), (14, "ab"), (15, "abc")])
def test_a_share_fits_the_budget_but_has_at_least_one_day(budget, taken):
    assert take_share("abc", SIZES, budget) == list(taken)


def test_waiting_days_are_reported_until_none_are_left(tmp_path, capsys):
    lake = Lake(tmp_path)
    note_waiting(lake, CUSTOMER_DAY, (), date(2024, 5, 9))
    assert list(tmp_path.iterdir()) == []  # a lake where no day ever waited has no such table
    note_waiting(lake, CUSTOMER_DAY, ("2024-05-02", "2024-05-01"), date(2024, 5, 9))
    assert "customer_day: 2 days, 2024-05-01 to 2024-05-02, wait" in capsys.readouterr().out
    append_run(lake, Run("etl-9", "key", {}, datetime.now(UTC), date(2024, 5, 9), "etl"))
    note_waiting(lake, CUSTOMER_DAY, (), date(2024, 5, 8))  # added later
    (waiting,) = list_waiting(lake)
    assert (waiting.days, waiting.as_of) == (2, date(2024, 5, 9))
    note_waiting(lake, CUSTOMER_DAY, (), date(2024, 5, 10))
    assert list_waiting(lake) == []
