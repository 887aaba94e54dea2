"""Every declared column of a log is typed, by its judge or by the contract, with the declared reasons."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pkgutil import iter_modules

import pytest

from spark_jobs.cleaning import logs
from spark_jobs.cleaning.judging import UNSETTLED, judge_events, type_events
from spark_jobs.cleaning.log_judge import judge_of
from spark_jobs.cleaning.plain_columns import list_plain_columns
from spark_jobs.cleaning.plausible import IMPLAUSIBLE
from spark_jobs.contract.log import NUMBER, Input, Log
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.orders import Spread, Status
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.contract.table import Column
from spark_jobs.contract.tables import EVENTS
from spark_jobs.raw import reader as raw

#: Columns that are added to judged events later, from their delivery.
LATER = {"customer_id", "delivery_id", "record_number", "delivery_day"}


@pytest.fixture(params=LOGS)
def shop(request) -> Shop:
    """A shop that maps every column of one log."""
    log = request.param
    columns = {name: ColumnMapping(name) for name in LOGS[log].canonical}
    status = Status("status", ("paid",)) if "status" in LOGS[log].settings else None
    spread = Spread(("shipping",)) if "spread" in LOGS[log].settings else None
    return Shop("shop", "UTC", "EUR", {log: Source(log, "", "*", "csv", columns, status=status, spread=spread)})


def test_a_judge_types_what_its_log_declares(spark, shop):
    ((log, source),) = shop.sources.items()
    judged = judge_events(spark.createDataFrame([], raw.record_ddl(source)), shop, log)
    finished = judge_of(log).finish_events(judged.selectExpr("*", "true AS is_good"))
    types = {field.name: field.dataType.simpleString() for field in finished.schema}
    wanted = {column.name: column.type for column in EVENTS[log].columns if column.name not in LATER}
    assert {name: types.get(name) for name in wanted} == wanted


def test_every_reason_is_declared_and_every_declared_reason_given(spark, shop):
    ((log, source),) = shop.sources.items()
    _, faults = type_events(spark.createDataFrame([], raw.record_ddl(source)), shop, log)
    assert set(faults) <= set(LOGS[log].rejections)
    assert set(LOGS[log].rejections) - set(faults) <= {IMPLAUSIBLE, *UNSETTLED.values()}


def test_every_judge_belongs_to_a_log():
    assert {module.name for module in iter_modules(logs.__path__)} <= set(LOGS)


TICKETS = Log(
    "tickets",
    9,
    "one clean ticket",
    inputs=(Input("topic", most_bytes=8), Input("minutes", NUMBER)),
    columns=(Column("topic", "string", "what it is about", nullable=True),
             Column("minutes", "decimal(6,1)", "time spent on it", "minutes", nullable=True)),
    counted_by=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "minutes", "typed", "reasons"),
    [
        ("late", "12.34", ("late", Decimal("12.3")), []),
        (None, None, (None, None), []),
        ("late", "soon", ("late", None), ["minutes_invalid"]),
        ("late", "100000", ("late", None), ["minutes_invalid"]),  # too large
        ("far too long", "1", ("far too long", Decimal("1.0")), ["value_invalid"]),
    ],
)
def test_columns_without_a_judge_are_typed_by_the_contract(spark, monkeypatch, topic, minutes, typed, reasons):
    monkeypatch.setitem(LOGS, "tickets", TICKETS)
    names = {"customer_id": "who", "event_at": "at", "topic": "topic", "minutes": "minutes"}
    source = Source("tickets", "", "*", "csv", {name: ColumnMapping(raw_name) for name, raw_name in names.items()})
    values = {"who": "7", "at": "2024-07-01", "topic": topic, "minutes": minutes}
    row = ("d1", 1, None, "7", "r1", *(values[column] for column in source.raw_columns))
    records = spark.createDataFrame([row], raw.record_ddl(source))
    [found] = judge_events(records, Shop("shop", "UTC", "EUR", {"tickets": source}), "tickets").collect()
    assert ((found["topic"], found["minutes"]), found["reasons"]) == (typed, reasons)


def test_texts_have_a_maximum_length_and_numbers_leave_room_for_sums(spark, shop, monkeypatch):
    """Texts without a limit are not checked for the database; a day's sum has eighteen digits."""
    ((log, source),) = shop.sources.items()
    declared = LOGS[log]
    monkeypatch.setitem(LOGS, log, replace(declared, columns=()))  # so that the judge's own columns are all
    typed, _ = type_events(spark.createDataFrame([], raw.record_ddl(source)), shop, log)
    for column in list_plain_columns(declared, typed.columns):
        digits = re.match(r"decimal\((\d+)", column.type)
        assert int(digits[1]) <= 12 if digits else declared.canonical[column.name].most_bytes, column.name
