"""Does a rebuild rebuild every day once, and continue after it was killed?"""

from __future__ import annotations

from datetime import date

import pytest

from spark_jobs import rebuild
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.tables import CUSTOMER_DAY
from spark_jobs.lake.store import Lake
from spark_jobs.rebuild import Target, rebuild_table
from tests.spark_jobs.test_maintain import fill
from tests.spark_jobs.warehouse.support import make_shop

DAYS = [f"2024-05-0{n}" for n in range(1, 6)]
SIZES = dict.fromkeys(DAYS, 10)


class Maker:
    """Publishes the given days, and raises at one of them, before or after publishing it."""

    def __init__(self, lake: Lake, dies_at: str = "", is_published: bool = False):
        self.lake, self.dies_at, self.is_published, self.batches = lake, dies_at, is_published, []

    def __call__(self, days) -> None:
        if self.dies_at in days and not self.is_published:
            raise KeyboardInterrupt
        self.batches.append(list(days))
        for day in days:
            self.lake.update(CUSTOMER_DAY, day, lambda rows: rows.slice(0, 0))
            fill(self.lake, CUSTOMER_DAY, date.fromisoformat(day))
        if self.dies_at in days:
            raise KeyboardInterrupt


@pytest.fixture
def lake(tmp_path) -> Lake:
    lake = Lake(tmp_path)
    fill(lake, CUSTOMER_DAY, *map(date.fromisoformat, DAYS))
    return lake


def run(lake: Lake, maker: Maker, days=DAYS) -> list[int]:
    return list(rebuild_table(Target(CUSTOMER_DAY, SIZES, maker), lake, days, batch_bytes=25))


def test_every_day_is_rebuilt_in_batches_and_again_on_request(lake):
    first, second = Maker(lake), Maker(lake)
    assert run(lake, first) == [0, 2, 4, 5]
    assert first.batches == [DAYS[:2], DAYS[2:4], DAYS[4:]]
    assert run(lake, second, DAYS[1:3]) == [0, 2]


@pytest.mark.parametrize(("is_published", "left"), [(False, DAYS[2:]), (True, DAYS[4:])])
def test_a_killed_rebuild_continues_with_the_days_left(lake, is_published, left):
    with pytest.raises(KeyboardInterrupt):
        run(lake, Maker(lake, DAYS[3], is_published))
    again = Maker(lake)
    assert run(lake, again)[0] == len(DAYS) - len(left)
    assert [day for batch in again.batches for day in batch] == left
    assert run(lake, Maker(lake))[0] == 0  # the next one starts again


def test_another_range_is_another_rebuild(lake):
    with pytest.raises(KeyboardInterrupt):
        run(lake, Maker(lake, DAYS[3]))
    assert run(lake, Maker(lake), DAYS[:3])[0] == 0


def test_a_day_that_cannot_be_rebuilt_ends_the_rebuild(lake):
    with pytest.raises(ChurnError, match="customer_day 2024-05-01 cannot be rebuilt"):
        run(lake, lambda days: None)


def test_without_a_night_there_is_nothing_to_rebuild(tmp_path):
    with pytest.raises(ChurnError, match="no night yet"):
        rebuild.run(lambda: pytest.fail("Spark"), Lake(tmp_path), make_shop("s"), Settings(tmp_path))
