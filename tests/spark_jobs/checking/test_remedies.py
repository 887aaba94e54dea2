"""Printed remedies that need only files work: pasted into shop.toml, they end their finding, and the records are read
correctly. tests/cases/test_remedies.py tests the remedies that need Spark."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from spark_jobs.checking.customers import EventCounts, LogCustomers
from spark_jobs.checking.days_only import find_time_column
from spark_jobs.checking.files import find_unread_sheets, list_problems
from spark_jobs.checking.findings import Findings
from spark_jobs.checking.guests import check_guests
from spark_jobs.checking.horizons import Rhythm, judge_horizons
from spark_jobs.checking.identity import judge_customers
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.checking.numbered import check_numbered
from spark_jobs.checking.orders import check_orders
from spark_jobs.checking.other_amounts import check_other_amounts
from spark_jobs.checking.parts import check_parts
from spark_jobs.checking.statuses import check_statuses
from spark_jobs.checking.stray_quotes import check_quotes
from spark_jobs.cleaning.accounts import Tally
from spark_jobs.cleaning.deliveries import find_intake, list_files
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.model import Shop
from spark_jobs.raw.columns import inspect_files
from spark_jobs.raw.reader import read_records
from spark_jobs.runtime.console import PlainConsole
from tests.cases.remedies import HEADER, ROWS, SHOP, paste, write_rows
from tests.spark_jobs.raw.workbooks import write_workbook

MAPPED = ("at", "customer", "pieces", "price")
Lines = list[str]


def judge_files(shop: Shop, folder: Path) -> JudgedLog:
    """The files of a shop, without their records; by the account, no record has a customer."""
    intake = find_intake(shop, "purchases", Settings(folder))
    files = [file | {"delivery_id": file["path"]} for file in sorted(list_files(intake), key=lambda one: one["path"])]
    tally = Tally("", date.min, "quarantined", ("customer_id_missing",), ROWS, ROWS)
    return JudgedLog(intake, files, None, [tally], inspect_files(intake, [file["path"] for file in files]))


def refused(judged: JudgedLog, _: PlainConsole) -> Lines:
    return list(filter(None, [list_problems("purchases", judged.columns)]))


def found(check: Callable[[JudgedLog, Findings], None]) -> Callable:
    def run(judged: JudgedLog, _: PlainConsole) -> Lines:
        findings = Findings()
        check(judged, findings)
        return findings.problems

    return run


def printed(check: Callable[[PlainConsole, JudgedLog], None]) -> Callable:
    def run(judged: JudgedLog, console: PlainConsole) -> Lines:
        check(console, judged)
        text = console.console.file.getvalue().strip()
        return [text] if text else []

    return run


def time_column(judged: JudgedLog, _: PlainConsole) -> Lines:
    return list(filter(None, [find_time_column(judged)]))


@dataclass
class Twin:
    """check: the function that reports. content: a file that the first shop.toml misreads. setting: the proposed one.
    right: values of mapped columns by record after the remedy is pasted.
    """

    check: Callable[[JudgedLog, PlainConsole], Lines]
    content: bytes | Lines
    setting: str
    edits: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ("…",)
    right: dict[str, Iterable[str | None]] = field(default_factory=dict)


def join(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


USUAL = write_rows()
OBJECTS = [dict(zip(HEADER.split(";"), line.split(";"), strict=True)) for line in USUAL[1:]]
JSON = (('format = "csv"\ndelimiter = ";"', 'format = "jsonl"'),)
PAIRS = write_rows(order=lambda n: f"o{n // 2}")  # orders of two lines
MAPS_ORDER = ('delimiter = ";"', 'delimiter = ";"\nevent_key = ["order"]')
FIRST_ONLY = write_rows(order=lambda n: f"o{n // 2}", customer=lambda n: "" if n % 2 else f"c{n // 2}")
ITEMS = "customer;at;Item 1 SKU;Item 1 pieces;Item 1 price;Item 2 SKU;Item 2 pieces;Item 2 price"
ITEM_ROWS = [ITEMS, *(f"c{n};2026-06-01 10:00;a;1;2.50;{'b;3;4.50' if n % 2 else ';;'}" for n in range(6))]
TAKES_ITEM = (('"pieces"', '"Item 1 pieces"'), ('"price"', '"Item 1 price"\nproduct_id = "Item 1 SKU"'))
DEBITS = ["customer;at;pieces;price;debit", *(f"c{n};2026-06-01 10:00;1;{';2.50' if n % 5 == 0 else '4.50;'}"
                                            for n in range(50))]  # fmt: skip
PARTS = ["customer;at;pieces;price;Parent ID", *(f"c{n};2026-06-01 10:00;1;{'0.00;7' if n % 5 == 0 else '4.50;'}"
                                               for n in range(50))]  # fmt: skip
GUESTS = ["customer;at;pieces;price;E-Mail", *(f"{'' if n % 3 else f'c{n}'};2026-06-01 10:00;1;2;m{n}@example.org"
                                             for n in range(50))]  # fmt: skip
TIMES = ["customer;at;pieces;price;Uhrzeit", *(f"c{n};{n % 28 + 1:02}.06.2026;1;2;10:{n:02}" for n in range(50))]
QUOTED = write_rows(order=lambda n: f'"o{n}" big' if n % 10 == 0 else f"o{n}")
TWINS = {
    "no header": Twin(refused, join(USUAL[1:]), "header", words=tuple(HEADER.split(";"))),
    "lines before the header": Twin(refused, join(["Report", "of today", *USUAL]), "skip_lines"),
    "another delimiter": Twin(refused, join(USUAL).replace(b";", b"\t"), "delimiter"),
    "lines before and another delimiter": Twin(
        refused, join(["Report", "of today", *USUAL]).replace(b";", b"|"), "delimiter"),
    "UTF-16 without a mark": Twin(refused, join(USUAL).decode().encode("utf-16-le"), "encoding"),
    "a workbook": Twin(refused, write_workbook({"Orders": [line.split(";") for line in USUAL]}), "format"),
    "another sheet": Twin(
        refused, write_workbook({"Info": [["x"]], "Orders": [line.split(";") for line in USUAL]}), "sheet",
        (('format = "csv"', 'format = "xlsx"'),)),
    "further sheets": Twin(
        lambda judged, _: list(filter(None, [find_unread_sheets(judged.source, judged.columns)])),
        write_workbook({"Jan": [line.split(";") for line in USUAL], "Feb": [line.split(";") for line in USUAL]}),
        "sheet", (('format = "csv"', 'format = "xlsx"'),), right={"pieces": ["2"] * (2 * ROWS)}),
    "an envelope": Twin(refused, json.dumps({"page": 1, "data": {"orders": OBJECTS}}).encode(), "records", JSON),
    "rows beside their names": Twin(
        refused, json.dumps({"columns": HEADER.split(";"), "data": [line.split(";") for line in USUAL[1:]]}).encode(),
        "records", JSON),
    "rows without names": Twin(
        refused, join(json.dumps(line.split(";")) for line in USUAL[1:]), "header", JSON, tuple(HEADER.split(";"))),
    "rows before their names": Twin(
        refused, json.dumps({"rows": [line.split(";") for line in USUAL[1:]], "cols": HEADER.split(";")}).encode(),
        "records", JSON, tuple(HEADER.split(";"))),
    "objects by key": Twin(refused, json.dumps({one["order"]: one for one in OBJECTS}).encode(), "records", JSON),
    "quotation marks within texts": Twin(found(check_quotes), join(QUOTED), "quotes"),
    "escaped quotation marks": Twin(
        found(check_quotes),
        join(write_rows(kind=lambda n: r'"12\" pipe; blue"' if n % 10 == 0 else "sale")), "escape",
        right={"pieces": ["2"] * ROWS}),
    "quotation marks, packed": Twin(found(check_quotes), gzip.compress(join(QUOTED)), "quotes"),
    "values on an order's first line": Twin(
        found(check_orders), join(FIRST_ONLY), "carry_down", (MAPS_ORDER,),
        right={"customer": [f"c{n // 2}" for n in range(ROWS)]}),
    "items by number": Twin(
        found(check_numbered), join(ITEM_ROWS), "unit_price", TAKES_ITEM,
        right={"Item {n} price": ["2.50", "2.50", "4.50"] * 3, "Item {n} SKU": ["a", "a", "b"] * 3}),
    "money in two columns": Twin(
        found(check_other_amounts), join(DEBITS), "first_of", right={"debit": [None if n % 5 else "2.50"
                                                                                 for n in range(50)]}),
    "an order's status": Twin(
        found(check_statuses), join(write_rows(kind=lambda n: "storniert" if n % 9 == 0 else "bezahlt")
                                    ).replace(b"kind", b"Bestellstatus"), "[sources.purchases.status]"),
    "a status by its words": Twin(
        found(check_statuses), join(write_rows(kind=lambda n: "cancelled" if n % 9 == 0 else "completed")
                                    ).replace(b"kind", b"stateMachineState"), "[sources.purchases.status]"),
    "free parts": Twin(printed(check_parts), join(PARTS), "[[sources.purchases.reject]]"),
    "guests": Twin(printed(check_guests), join(GUESTS), "first_of"),
    "a time of day beside": Twin(
        time_column, join(TIMES), "event_at", (('"at"', '{ column = "at", format = "dd.MM.yyyy" }'),)),
}  # fmt: skip


def run(twin: Twin, path: Path) -> Lines:
    console = PlainConsole(Console(file=io.StringIO(), width=80))
    return twin.check(judge_files(load_shop(path), path.parent), console)


def read_columns(path: Path) -> dict[str, list[str | None]]:
    """Raw column -> the values of all records. Fails if a record is faulty."""
    intake = find_intake(load_shop(path), "purchases", Settings(path.parent))
    records = [one for one in read_records(intake, "orders.csv") if one.fault != "line_skipped"]
    values = [one.values or pytest.fail(f"{one.fault}: {one.text}") for one in records]
    return {name: [row[place] for row in values] for place, name in enumerate(intake.source.raw_columns)}


@pytest.mark.parametrize("kind", TWINS)
def test_a_remedy_for_files_can_be_pasted_and_works(tmp_path, kind):
    twin, path, text = TWINS[kind], tmp_path / "shop.toml", SHOP
    for old, new in twin.edits:
        text = text.replace(old, new, 1)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "orders.csv").write_bytes(twin.content)
    path.write_text(text)
    (finding,) = run(twin, path)
    assert twin.setting in finding
    path.write_text(paste(text, finding, twin.words))
    assert run(twin, path) == [], path.read_text()
    columns = read_columns(path)
    if twin.check is refused:
        assert [columns[name] for name in MAPPED] == [[one[name] for one in OBJECTS] for name in MAPPED]
    assert {name: columns[name] for name in twin.right} == {name: [*values] for name, values in twin.right.items()}


def counts(*ids: str, events: int = 5) -> dict[str, EventCounts]:
    return {one: EventCounts(events, 3) for one in ids}


NUMBERS = [f"{n}" for n in range(10_000, 10_040)]
#: By kind: the customers of the logs, and the proposed setting.
CUSTOMERS = {
    "ids linked by zeros": (
        [LogCustomers("purchases", counts(*NUMBERS)),
         LogCustomers("browses", counts(*(f"00{one}" for one in NUMBERS)))],
        "customer_ids = "),
    "ids linked by case": (
        [LogCustomers("purchases", counts(*(f"a{one}" for one in NUMBERS))),
         LogCustomers("browses", counts(*(f"A{one}" for one in NUMBERS)))], "customer_ids = "),
    "marks": ([LogCustomers("purchases", counts(*NUMBERS, *(f"#{one}" for one in NUMBERS[:9])))], "customer_ids = "),
    "a dominant id": (
        [LogCustomers("purchases", {**counts(*(f"{one}x" for one in NUMBERS)), "77x": EventCounts(4000, 90)}, 100)],
        "no_customer = "),
    "an id that stands for nobody": (
        [LogCustomers("purchases", {**counts(*NUMBERS), "Gast": EventCounts(50, 9)}, 100)], "no_customer = "),
}  # fmt: skip


@pytest.mark.parametrize("kind", CUSTOMERS)
def test_a_remedy_for_ids_can_be_pasted_and_works(tmp_path, kind):
    logs, setting = CUSTOMERS[kind]
    path = tmp_path / "shop.toml"
    path.write_text(SHOP)
    (finding,) = judge_customers(logs, "purchases", load_shop(path).customer_ids).problems
    assert setting in finding
    path.write_text(paste(SHOP, finding))
    assert judge_customers(logs, "purchases", load_shop(path).customer_ids).problems == []


def test_proposed_horizons_can_be_pasted_and_are_suitable(tmp_path):
    path, rhythm = tmp_path / "shop.toml", Rhythm(0.2, 40)
    path.write_text(SHOP)
    *_, advice = judge_horizons({5: (0.99, 500)}, rhythm, "purchase")
    path.write_text(paste(SHOP, advice))
    assert load_shop(path).churn.horizons_days == (40, 80, 120)
