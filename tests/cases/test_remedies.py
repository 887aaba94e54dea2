"""Remedies work as they are printed: each is pasted into its shop.toml, and its finding is gone.

A small shop for each kind of remedy; only what stands as "…" has to be filled in by hand.
"""

from __future__ import annotations

import ast
import io
import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest
from rich.console import Console

from spark_jobs.check import check_shop
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop
from spark_jobs.contract.shop.source import Source
from tests.conftest import ROOT

SHOP = """
name = "twin"
time_zone = "Europe/Berlin"
currency = "EUR"
[churn]
horizons_days = [5]
[sources.purchases]
location = "raw"
files = "*"
format = "csv"
delimiter = ";"
[sources.purchases.columns]
customer_id = "customer"
event_at = "at"
quantity = "pieces"
unit_price = "price"
"""
HEADER = "order;customer;at;pieces;price;currency;kind;zone"
ROWS = 120


def write_rows(**values: Callable[[int], str]) -> list[str]:
    usual = {
        "order": lambda n: f"o{n}", "customer": lambda n: f"c{n % 30}", "pieces": lambda n: "2",
        "at": lambda n: f"2026-{6 + n // 28:02}-{n % 28 + 1:02} 10:{n % 60:02}:00",
        "price": lambda n: f"{n % 9 + 1}.50",
        "currency": lambda n: "EUR", "kind": lambda n: "sale", "zone": lambda n: "Berlin",
    }  # fmt: skip
    columns = [values.get(name, usual[name]) for name in HEADER.split(";")]
    return [HEADER, *(";".join(column(n) for column in columns) for n in range(ROWS))]


def day(n: int, pattern: str) -> str:
    return pattern.format(d=n % 28 + 1, m=6 + n // 28, h=n % 12 + 1, half="AM" if n % 2 else "PM")


MONTHS = ("Juni", "Juli", "August", "September", "Oktober")
MAP_ALL = "columns]\n", 'columns]\ncurrency = "currency"\nkind = "kind"\n'
ZONED = 'event_at = "at"', 'event_at = { column = "at", zone_column = "zone" }'
DAYS = 'location = "raw"\n', ""
#: By kind: changes of SHOP, the rows (of each file), and a piece of the finding that goes.
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
        (DAYS[0], f"{DAYS[0]}delivery_day = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'\n"),
        {f"o_{n:02}.06.2026.csv": write_rows(at=lambda k, n=n: f"2026-06-{n:02} 10:00:00") for n in (28, 29)},
        "no delivery day found"
    ),
    "many rejected records": (
        ("", ""), write_rows(pieces=lambda n: "0" if n % 3 == 0 else "1"), "more than max_quarantined_share"
    ),
    "orders that come again": (
        (DAYS[0], f"{DAYS[0]}delivery_day = '(\\d{{4}}-\\d{{2}}-\\d{{2}})'\n"),
        {"2026-11-01.csv": write_rows(), "2026-11-02.csv": [*write_rows()[:-9], *(
            line.replace(";2;", ";1;") + "\n" + line for line in write_rows(order=lambda n: f"o{n}")[-9:])]},
        "came again in a later file"
    ),
}  # fmt: skip


def paste(text: str, finding: str) -> str:
    """shop.toml with the settings that a finding prints, where it says that they belong."""
    table = re.search(r"^\[\[?[a-z_.]+\]\]?\n.*", finding, re.DOTALL | re.MULTILINE)
    if table:
        filled = table[0].replace("\n[rates]", "\n[rates]").replace('"…"', '"0.9"')
        return f"{text}\n{filled}\n"
    setting = find_setting(finding)
    key = setting.partition(" = ")[0]
    old = next((line for line in text.splitlines() if line.startswith(f"{key} = ")), None)
    if old is not None:
        return text.replace(old, setting)
    if "at the top of shop.toml" in finding:
        return f"{setting}\n{text}"
    section = re.search(r"under (\[sources\.[a-z_.]+\])", finding)
    return text.replace(section[1], f"{section[1]}\n{setting}", 1) if section else text


def find_setting(finding: str) -> str:
    """The first `key = value` of a finding, as TOML reads it."""
    for match in re.finditer(r"\b[a-z_]+ = ", finding):
        for end in range(len(finding), match.end(), -1):
            line = finding[match.start() : end]
            try:
                tomllib.loads(line)
            except tomllib.TOMLDecodeError:
                continue
            return line.replace('"…"', '"return"').replace("Europe/…", "Europe/Berlin")
    raise AssertionError(f"no setting in {finding!r}")


#: What the code proposes beside: settings that another test has, or that are notes and ask for nothing.
ELSEWHERE = {
    **dict.fromkeys(("header", "skip_lines", "delimiter", "encoding", "format"), "tests/spark_jobs/raw/test_table.py"),
    "sheet": "tests/spark_jobs/raw/formats/test_xlsx.py", "records": "tests/spark_jobs/raw/test_formats.py",
    "horizons_days": "tests/spark_jobs/checking/test_horizons.py",
    "skip_last": "tests/spark_jobs/checking/test_last_lines.py", "first_of": "tests/flows/test_order_status.py",
    "carry_down": "tests/cases/test_cases.py", "quotes": "tests/spark_jobs/checking/test_stray_quotes.py",
    "[sources.purchases.status]": "tests/spark_jobs/checking/test_statuses.py",
    "plausible_amount": "tests/spark_jobs/cleaning/test_plausible.py",
    "updates": "tests/cases/test_cases.py",
    "[[sources.purchases.reject]]": "tests/flows/test_order_status.py",
}  # fmt: skip
#: By kind of TWINS: the setting or table that its finding prints.
PASTES = {
    "decimal commas": "numbers", "thousands points": "numbers", "another spelling of one column": "numbers",
    "Indian numbers": "numbers", "cents": "scale",
    "negative prices": "[[sources.purchases.returns]]", "negative quantities": "[[sources.purchases.returns]]",
    **dict.fromkeys(
        ("dates", "am and pm", "names of months", "spreadsheet days", "epochs of two units", "two spellings",
         "a wrong pattern", "zones"), "event_at"),
    "currencies": "[rates]", "kinds": "kind", "no customer": "no_customer", 
    **dict.fromkeys(("case of ids", "zeros of ids"), "customer_ids"),
    
    
    "another layout": "layouts", "days in names": "delivery_day",
    "many rejected records": "max_quarantined_share", "orders that come again": "event_key",
    
}  # fmt: skip
PROPOSING = ("checking", "contract/logs", "contract/rejections.py", "contract/shop/path_days.py", "cleaning/repeats.py",
             "cleaning/refusals.py", "raw/layout.py", "raw/format.py", "raw/formats", "raw/text.py")  # fmt: skip


def list_proposed() -> set[str]:
    """The settings and tables of shop.toml that texts of the code print to be pasted."""
    settings = {field.name for field in fields(Source)} | {"skip_lines", "no_customer", "customer_ids", "horizons_days"}
    places = [ROOT / "spark_jobs" / name for name in PROPOSING]
    files = [file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    printed = {key for text in texts for key in re.findall(r"\b([a-z_]+) = ", text)}
    tables = {table for text in texts for table in re.findall(r"(?:^|\n)(\[\[?[a-z_.]+\]\]?)\n", f"{text}\n")}
    return printed & settings | {table for table in tables if "." in table or table == "[rates]"}


def test_every_setting_that_is_proposed_is_pasted():
    assert list_proposed() - set(PASTES.values()) - ELSEWHERE.keys() == set()
    assert PASTES.keys() == TWINS.keys()
    assert all((ROOT / file).is_file() for file in ELSEWHERE.values())


def check(spark, path: Path) -> list[str]:
    """The findings, as they are printed on a screen of 80 columns."""
    out = io.StringIO()
    with suppress(ChurnError):
        check_shop(lambda: spark, load_shop(path), Settings(path.parent / "home"), Console(file=out, width=80), 400)
    return [found.strip() for found in re.split(r"^  \d+\. ", out.getvalue(), flags=re.MULTILINE)[1:]]


@pytest.mark.parametrize("kind", TWINS)
def test_a_remedy_can_be_pasted_and_works(spark, tmp_path, kind):
    (old, new), rows, said = TWINS[kind]
    path, text = tmp_path / "shop.toml", SHOP.replace(old, new, 1) if old else SHOP
    (tmp_path / "raw").mkdir()
    for name, lines in (rows if isinstance(rows, dict) else {"orders.csv": rows}).items():
        (tmp_path / "raw" / name).write_text("\n".join(lines) + "\n")
    path.write_text(text)
    findings = check(spark, path)
    finding = next(one for one in findings if said in one)
    assert re.search(rf"^{re.escape(PASTES[kind])}$|\b{re.escape(PASTES[kind])} = ", finding, re.MULTILINE)
    path.write_text(paste(text, finding))
    left = check(spark, path)
    assert [one for one in left if said in one] == [], (finding, path.read_text())
    spark.catalog.clearCache()
