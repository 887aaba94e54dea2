"""Remedies work as they are printed: each is pasted into its shop.toml, and its finding is gone.

A small shop for each kind of remedy; only what stands as "…" has to be filled in by hand.
"""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from spark_jobs.check import check_shop
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.file import load_shop

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
#: By kind: changes of SHOP, the rows, and a piece of the finding that goes.
TWINS: dict[str, tuple[tuple[str, str], list[str], str]] = {
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
    (tmp_path / "raw" / "orders.csv").write_text("\n".join(rows) + "\n")
    path.write_text(text)
    findings = check(spark, path)
    finding = next(one for one in findings if said in one)
    path.write_text(paste(text, finding))
    left = check(spark, path)
    assert [one for one in left if said in one] == [], (finding, path.read_text())
    spark.catalog.clearCache()
