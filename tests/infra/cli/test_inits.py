"""Do `churn init` and `churn check` name the command that fits the shop's files?"""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from infra.cli import inits
from infra.cli.closing import describe_training
from infra.cli.running import Output
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import ColumnMapping, Source

COLUMNS = {"customer_id": ColumnMapping("c"), "event_at": ColumnMapping("at")}
TODAY = date.today()


@pytest.mark.parametrize(
    ("last_day", "end_date", "as_of"),
    [
        (date(2026, 1, 31), None, " --as-of 2026-01-31"),
        (date(2026, 1, 31), date(2026, 1, 30), " --as-of 2026-01-30"),
        (None, date(2026, 1, 30), " --as-of 2026-01-30"),
        (TODAY + timedelta(days=1), None, ""),
        (None, None, ""),
    ],
)
def test_a_training_is_as_of_the_last_day_of_files_that_have_ended(last_day, end_date, as_of):
    shop = Shop("corner", "UTC", "EUR", {"purchases": Source("purchases", "raw", "*", "csv", COLUMNS)},
                end_date=end_date)  # fmt: skip
    assert describe_training(shop, last_day) == f"churn train --shop corner{as_of}"


def test_the_day_comes_from_what_the_check_wrote(monkeypatch):
    def job(module, *arguments, **_):
        arguments[-1].write_text(json.dumps({"last_day": "2026-01-31" if module == "found" else None}))

    monkeypatch.setattr(inits, "run_job", job)
    assert inits.run_check("found", "shop.toml", output=Output()) == date(2026, 1, 31)
    assert inits.run_check("without events", "shop.toml", output=Output()) is None
