"""Printed remedies work: each is pasted into its shop.toml, and then its finding is gone.

There is a small shop for each kind of remedy; only "…" has to be filled in by hand. Remedies that need no Spark are
tested in tests/spark_jobs/checking/test_remedies.py.
"""

from __future__ import annotations

import ast
import io
import re
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest
from rich.console import Console

from spark_jobs.check import check_shop
from spark_jobs.cleaning.cache import unpersist_all
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.source import Source
from tests.cases.remedies import SHOP, paste, write_rows
from tests.conftest import ROOT
from tests.spark_jobs.checking import test_remedies as of_files


def day(n: int, pattern: str) -> str:
    return pattern.format(d=n % 28 + 1, m=6 + n // 28, h=n % 12 + 1, half="AM" if n % 2 else "PM")


MONTHS = ("Juni", "Juli", "August", "September", "Oktober")
MAP_ALL = "columns]\n", 'columns]\ncurrency = "currency"\nkind = "kind"\n'
ZONED = 'event_at = "at"', 'event_at = { column = "at", zone_column = "zone" }'
DAYS = 'location = "raw"\n', ""
DATED_BY_NAME = DAYS[0], f"{DAYS[0]}delivery_day = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'\n"
#: By kind: changes of SHOP, the rows (of each file), and a phrase of the finding that has to disappear.
TWINS: dict[str, tuple[tuple[str, str], list[str] | dict[str, list[str]], str]] = {
    "decimal commas": (("", ""), write_rows(price=lambda n: f"{n % 9},50 €"), "no number"),
    "thousands points": (("", ""), write_rows(price=lambda n: f"{n % 9 + 1}.{100 + n}"), "always three digits"),
    "another spelling of one column": (
        ("", ""), write_rows(price=lambda n: f"{n % 9 + 1},50", pieces=lambda n: "1.5"), "no number"
    ),
    "Indian numbers": (("", ""), write_rows(price=lambda n: f"₹1,2{n % 9},456.50"), "no number"),
    "cents": (("", ""), write_rows(price=lambda n: f"{1000 + n}"), "If these are cents"),
    "negative prices": (("", ""), write_rows(price=lambda n: "-5.00" if n % 9 == 0 else "5.00"), "negative price"),
    "negative quantities": (("", ""), write_rows(pieces=lambda n: "-1" if n % 9 == 0 else "1"), "negative quantity"),
    "dates": (("", ""), write_rows(at=lambda n: day(n, "{d:02}.{m:02}.2026")), "cannot be read"),
    "am and pm": (("", ""), write_rows(at=lambda n: day(n, "{m}/{d}/2026 {h}:05 {half}")), "cannot be read"),
    "names of months": (
        ("", ""), write_rows(at=lambda n: f"{n % 28 + 1}. {MONTHS[n // 28]} 2026 10:05"), "cannot be read"
    ),
    "spreadsheet days": (("", ""), write_rows(at=lambda n: f"{46174 + n}.25"), "cannot be read"),
    "epochs of two units": (
        ("", ""), write_rows(at=lambda n: f"{1780290178 + 86400 * n}{'000' * (n % 2)}"), "cannot be read"
    ),
    "two spellings": (
        ("", ""), write_rows(at=lambda n: day(n, "2026-{m:02}-{d:02}" if n % 2 else "{d:02}/{m:02}/2026")), "cannot be"
    ),
    "a wrong pattern": (
        ('event_at = "at"', 'event_at = { column = "at", format = "dd.MM.yyyy", zone = "UTC" }'), write_rows(),
        "cannot be read"
    ),
    "zones": (ZONED, write_rows(zone=lambda n: "Laden 7"), "cannot be read"),
    "currencies": (MAP_ALL, write_rows(currency=lambda n: "US$" if n % 2 else "€"), "a currency without a rate"),
    "kinds": (MAP_ALL, write_rows(kind=lambda n: "refund" if n % 9 == 0 else "sale"), "a kind of event"),
    "no customer": (
        ("", ""), write_rows(customer=lambda n: "guest" if n % 3 == 0 else f"c{n % 30}"), "stand for nobody"
    ),
    "case of ids": (
        ("", ""), write_rows(customer=lambda n: f"a{n % 29}@b.c" if n % 2 else f"A{n % 29}@b.c"), "differ from"
    ),
    "zeros of ids": (("", ""), write_rows(customer=lambda n: f"{'0' * (n % 2)}{100 + n % 29}"), "differ from"),
    "another layout": (
        ("", ""), {"a.csv": write_rows(), "b.csv": ["ref;customer;at;pieces;prices", "r1;c9;2026-07-01 10:00:00;1;5"]},
        "are refused"
    ),
    "days in names": (
        DATED_BY_NAME,
        {f"o_{n:02}.06.2026.csv": write_rows(at=lambda k, n=n: f"2026-06-{n:02} 10:00:00") for n in (28, 29)},
        "no delivery day found"
    ),
    "many rejected records": (
        ("", ""), write_rows(pieces=lambda n: "0" if n % 3 == 0 else "1"), "more than max_quarantined_share"
    ),
    "orders that change": (
        ("[sources.purchases.columns]", f"{DATED_BY_NAME[1]}[sources.purchases.columns]\nevent_id = 'order'".replace(
            DAYS[0], "")),
        {"2026-11-01.csv": write_rows(), "2026-11-02.csv": write_rows(pieces=lambda n: "1" if n % 4 == 0 else "2")},
        "they have changed since"
    ),
    "files named by their first day": (
        DATED_BY_NAME,
        {f"2026-06-{n:02}.csv": write_rows(rows=20, at=lambda k, n=n: f"2026-06-{n + k % 7:02} 10:00:00")
         for n in (1, 8, 15)},
        "named after the first of their days"
    ),
    "files named by another zone": (
        DATED_BY_NAME,
        {f"2026-06-{n:02}.csv": write_rows(
            rows=40, at=lambda k, n=n: f"2026-06-{n + k // 36:02} {'01' if k > 35 else '10'}:{k:02}:00")
         for n in range(1, 20)},
        "of another time zone"
    ),
    "orders that come again": (
        DATED_BY_NAME,
        {"2026-11-01.csv": write_rows(), "2026-11-02.csv": [*write_rows()[:-9], *(
            line.replace(";2;", ";1;") + "\n" + line for line in write_rows(order=lambda n: f"o{n}")[-9:])]},
        "came again in a later file"
    ),
}  # fmt: skip


#: By kind of TWINS: the setting or table in its finding.
PASTES = {
    "decimal commas": "numbers", "thousands points": "numbers", "another spelling of one column": "numbers",
    "Indian numbers": "numbers", "cents": "scale",
    "negative prices": "[[sources.purchases.returns]]", "negative quantities": "[[sources.purchases.returns]]",
    **dict.fromkeys(
        ("dates", "am and pm", "names of months", "spreadsheet days", "epochs of two units", "two spellings",
         "a wrong pattern", "zones"), "event_at"),
    "currencies": "[rates]", "kinds": "kind", "no customer": "no_customer",
    **dict.fromkeys(("case of ids", "zeros of ids"), "customer_ids"),
    "another layout": "layouts", "many rejected records": "max_quarantined_share",
    "orders that come again": "event_key", "orders that change": "updates",
    **dict.fromkeys(("days in names", "files named by their first day", "files named by another zone"), "delivery_day"),
}  # fmt: skip
PROPOSING = ("checking", "contract/logs", "contract/rejections.py", "contract/shop/path_days.py", "cleaning/repeats.py",
             "cleaning/refusals.py", "raw/layout.py", "raw/format.py", "raw/formats", "raw/text.py")  # fmt: skip


def list_proposed() -> set[str]:
    """The settings and tables of shop.toml that the code proposes."""
    settings = {field.name for field in fields(Source)} | {"skip_lines", "no_customer", "customer_ids", "horizons_days"}
    places = [ROOT / "spark_jobs" / name for name in PROPOSING]
    files = [file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    printed = {key for text in texts for key in re.findall(r"\b([a-z_]+) = ", text)}
    tables = {table for text in texts for table in re.findall(r"(?:^|\n)(\[\[?[a-z_.]+\]\]?)\n", f"{text}\n")}
    return printed & settings | {table for table in tables if "." in table or table == "[rates]"}


def test_every_proposed_setting_is_tested():
    of_the_files = {twin.setting for twin in of_files.TWINS.values()} | {"horizons_days"}
    assert list_proposed() - set(PASTES.values()) - {setting for setting, _ in TOGETHER} - of_the_files == set()
    assert PASTES.keys() == TWINS.keys()


def check(spark, path: Path) -> list[str]:
    """The proposals, as printed on a screen of 80 columns: lines of the report, and findings."""
    out = io.StringIO()
    with suppress(ChurnError):
        check_shop(lambda: spark, load_shop(path), Settings(path.parent / "home"), Console(file=out, width=80), 400)
    report, *findings = re.split(r"^  \d+\. ", out.getvalue(), flags=re.MULTILINE)
    return [*(line for line in report.splitlines() if " = " in line), *(one.strip() for one in findings)]


@pytest.mark.parametrize("kind", TWINS)
def test_a_remedy_can_be_pasted_and_works(spark, tmp_path, kind):
    (old, new), rows, phrase = TWINS[kind]
    path, text = tmp_path / "shop.toml", SHOP.replace(old, new, 1) if old else SHOP
    (tmp_path / "raw").mkdir()
    for name, lines in (rows if isinstance(rows, dict) else {"orders.csv": rows}).items():
        (tmp_path / "raw" / name).write_text("\n".join(lines) + "\n")
    path.write_text(text)
    findings = check(spark, path)
    finding = next(one for one in findings if phrase in one)
    assert re.search(rf"^{re.escape(PASTES[kind])}$|\b{re.escape(PASTES[kind])} = ", finding, re.MULTILINE)
    path.write_text(paste(text, finding))
    left = check(spark, path)
    assert [one for one in left if phrase in one] == [], (finding, path.read_text())
    unpersist_all(spark)


#: Settings and tables that one shop needs together, and a phrase of each finding.
TOGETHER = (
    ("numbers", "a number like 1.234 in a file that also has decimal commas"),
    ("plausible_amount", "a line worth a thousand times more"),
    ("skip_last", "if it holds totals"),
    ("[sources.purchases.status]", "every order counts"),
)


def test_remedies_of_one_shop_can_be_pasted_together(spark, tmp_path):
    def price(n: int) -> str:
        return "4000000" if n == 7 else "1.234" if n == 8 else f"{n % 9 + 1},50" if n % 40 == 9 else f"{n % 9 + 1}"

    lines = write_rows(price=price, kind=lambda n: "cancelled" if n % 9 == 0 else "paid", rows=600,
                       at=lambda n: f"2026-06-{n % 28 + 1:02} 10:{n % 60:02}:00")  # fmt: skip
    path = tmp_path / "shop.toml"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "orders.csv").write_text("\n".join([*lines, "Total;;;;600,00;;;"]).replace("kind", "Status"))
    path.write_text(text := SHOP)
    findings = check(spark, path)
    for setting, phrase in TOGETHER:
        finding = next(one for one in findings if phrase in one)
        assert setting in finding
        text = paste(text, finding)
    path.write_text(text)
    left = check(spark, path)
    assert [one for one in left if any(phrase in one for _, phrase in TOGETHER)] == [], text
