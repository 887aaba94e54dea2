"""What does a night clean after a change of rules, and how do nights process a large backlog?"""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from spark_jobs.cleaning.plan import CleaningPlan, make_plan
from spark_jobs.contract.tables import REVIEWS
from spark_jobs.lake.ledger import Run, append_run
from spark_jobs.lake.publishing import Pinned, publish
from spark_jobs.lake.run_folder import write_rows
from spark_jobs.lake.schemas import arrow_schema
from spark_jobs.lake.store import Lake

DAY = {n: date(2024, 5, n) for n in range(1, 32)}
FILE_BYTES = 10


def deliver(day: int, first: int | None = None, last: int | None = None) -> dict:
    """A file with a day; with first and last, a dump with events of these days."""
    dated = None if first else DAY[day]
    return {"delivery_id": f"d{day}", "path": f"{day}.csv", "byte_count": FILE_BYTES, "delivery_day": dated,
            "not_before": None, "span": (DAY[first or day], DAY[last or day])}  # fmt: skip


class Shop:
    """The nights of a shop; cleaning only stores the keys of a plan, one row for each day."""

    def __init__(self, folder, *files: dict):
        self.lake, self.files, self.accounts = Lake(folder), list(files), []

    def plan(self, as_of: int, rules: str, budget: int | None = None) -> CleaningPlan:
        return make_plan(self.lake, REVIEWS, self.files, self.accounts, DAY[as_of], rules, budget_bytes=budget)

    def carry_out(self, plan: CleaningPlan) -> None:
        found = {d for f in plan.deliveries for d in DAY.values() if f["span"][0] <= d <= f["span"][1]}
        for day, key in plan.run_keys(REVIEWS, found).items():
            row = {"event_id": "e", "customer_id": "c", "event_at": datetime.now(UTC), "event_day": DAY[1],
                   "delivery_id": "d", "record_number": 1, "delivery_day": date.fromisoformat(day)}  # fmt: skip
            rows = pa.Table.from_pylist([row], arrow_schema(REVIEWS))
            pinned = Pinned.at(self.lake.folder(REVIEWS), REVIEWS, {day: key})
            publish(pinned, lambda folder, day=day, rows=rows: write_rows(folder, REVIEWS, day, rows))
        known = [row for row in self.accounts if row["delivery_id"] not in {f["delivery_id"] for f in plan.deliveries}]
        self.accounts = known + [
            {"delivery_id": f["delivery_id"], "first_delivery_day": f["span"][0], "last_delivery_day": f["span"][1]}
            for f in plan.deliveries
        ]

    def run_night(self, as_of: int, rules: str, budget: int | None = None) -> list[list[int]]:
        """The cleaned days of each part of the night's plan."""
        plan = self.plan(as_of, rules, budget)
        for part in plan.parts:
            self.carry_out(part)
        append_run(self.lake, Run(f"etl-{as_of}", str(as_of), {}, datetime.now(UTC), DAY[as_of], "etl"))
        return [[day.day for day in part.days] for part in plan.parts]


@pytest.fixture
def shop(tmp_path) -> Shop:
    """Five nights under the rules a."""
    shop = Shop(tmp_path, *map(deliver, range(1, 6)))
    assert shop.run_night(5, "a") == [[1, 2, 3, 4, 5]]
    return shop


def test_what_fits_into_a_night_is_cleaned_at_once(shop):
    shop.files.append(deliver(6))
    assert shop.run_night(6, "b", budget=5 * FILE_BYTES) == [[1, 2, 3, 4, 5, 6]]
    assert shop.plan(6, "b", budget=0).is_empty


def test_a_backlog_is_cleaned_from_the_oldest_day_after_new_deliveries(shop):
    nights = []
    for as_of in range(6, 11):
        shop.files.append(deliver(as_of))
        nights.append(shop.run_night(as_of, "b", budget=2 * FILE_BYTES))
    assert nights == [
        [[6], [1, 2]],
        [[7], [3, 4]],
        [[8], [5, 6]],  # 6 was cleaned early
        [[7, 8, 9]],  # all that is left fits
        [[10]],
    ]
    assert shop.plan(10, "b").is_empty


def test_a_repeated_night_takes_the_next_share_of_the_backlog(shop):
    shop.files.append(deliver(6))
    plan = shop.plan(6, "b", budget=2 * FILE_BYTES)
    for part in plan.parts:
        shop.carry_out(part)
    assert [day.day for day in plan.waiting] == [3, 4, 5]
    again = shop.plan(6, "b", budget=2 * FILE_BYTES)
    assert [[day.day for day in part.days] for part in again.parts] == [[3, 4]]


def test_a_dump_is_read_as_a_whole_however_large(tmp_path):
    shop = Shop(tmp_path, deliver(1, first=1, last=4), *map(deliver, range(5, 9)))
    assert shop.run_night(8, "a") == [[5, 6, 7, 8]]  # days of the dump are found while it is read
    shop.files.append(deliver(9))
    assert shop.run_night(9, "b", budget=FILE_BYTES) == [[9], [1, 2, 3, 4]]


def test_requested_days_are_cleaned_even_if_up_to_date(shop):
    plan = make_plan(shop.lake, REVIEWS, shop.files, shop.accounts, DAY[5], "a", again=[DAY[2], DAY[3]])
    assert ([day.day for day in plan.days], plan.is_early) == ([2, 3], False)
    assert make_plan(shop.lake, REVIEWS, shop.files, shop.accounts, DAY[5], "b", again=[DAY[2]]).is_early
