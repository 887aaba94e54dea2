"""Every declared log has a judge, which types the log's columns and gives the reasons that the log declares."""

from __future__ import annotations

import pytest

from spark_jobs.cleaning.judging import judge_events
from spark_jobs.cleaning.log_judge import judge_of
from spark_jobs.cleaning.plausible import IMPLAUSIBLE
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.contract.tables import EVENTS
from spark_jobs.raw import reader as raw

#: What is added to judged events later, from their delivery.
LATER = {"customer_id", "delivery_id", "record_number", "delivery_day"}


@pytest.fixture(params=LOGS)
def shop(request) -> Shop:
    """A shop that maps every column of one log."""
    log = request.param
    columns = {name: ColumnMapping(name) for name in LOGS[log].canonical}
    return Shop("shop", "UTC", "EUR", {log: Source(log, "", "*", "csv", columns)})


def test_a_judge_types_what_its_log_declares(spark, shop):
    ((log, source),) = shop.sources.items()
    judged = judge_events(spark.createDataFrame([], raw.record_ddl(source)), shop, log)
    finished = judge_of(log).finish_events(judged.selectExpr("*", "true AS is_good"))
    types = {field.name: field.dataType.simpleString() for field in finished.schema}
    wanted = {column.name: column.type for column in EVENTS[log].columns if column.name not in LATER}
    assert {name: types.get(name) for name in wanted} == wanted


def test_a_judge_gives_the_reasons_that_its_log_declares(spark, shop):
    (log,) = shop.sources
    given = set(judge_of(log).find_faults(shop))
    assert given <= set(LOGS[log].rejections)
    assert set(LOGS[log].rejections) - given <= {IMPLAUSIBLE}
