"""Pastes what `check` prints into shop.toml, as a person would; only "…" is filled in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence

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
TABLE = re.compile(r"^\[\[?[a-z_.]+\]\]?\n.*", re.DOTALL | re.MULTILINE)


def write_rows(header: str = HEADER, rows: int = ROWS, **values: Callable[[int], str]) -> list[str]:
    usual = {
        "order": lambda n: f"o{n}", "customer": lambda n: f"c{n % 30}", "pieces": lambda n: "2",
        "at": lambda n: f"2026-{6 + n // 28:02}-{n % 28 + 1:02} 10:{n % 60:02}:00",
        "price": lambda n: f"{n % 9 + 1}.50",
        "currency": lambda n: "EUR", "kind": lambda n: "sale", "zone": lambda n: "Berlin",
    }  # fmt: skip
    columns = [values.get(name) or usual[name] for name in header.split(";")]
    return [header, *(";".join(column(n) for column in columns) for n in range(rows))]


def paste(text: str, finding: str, words: Sequence[str] = ("0.9",)) -> str:
    """shop.toml with the settings and tables of a finding, at the places that it names. words: for each "…" in turn;
    the last one also for all further ones."""
    for word in words[:-1]:
        finding = finding.replace('"…"', f'"{word}"', 1)
    finding = finding.replace('"…"', f'"{words[-1]}"').replace("Europe/…", "Europe/Berlin")
    table = TABLE.search(finding)
    before = finding[: table.start()] if table else finding
    if (setting := find_setting(before)) or not table:
        text = _insert(text, setting, before)
    return f"{text}\n{table[0]}\n" if table else text


def _insert(text: str, setting: str, finding: str) -> str:
    lines = text.splitlines()
    for line in setting.splitlines():
        key = line.partition(" = ")[0]
        old = next((one for one in lines if one.startswith(f"{key} = ")), None)
        section = re.search(r"under (\[sources\.[a-z_.]+\])", finding)
        if old is not None:
            lines[lines.index(old)] = line
        elif section:
            lines.insert(lines.index(section[1]) + 1, line)
        elif "at the top of shop.toml" in finding:
            lines.insert(0, line)
    return "\n".join(lines) + "\n"


def find_setting(finding: str) -> str:
    """The first line, or lines, of settings in a finding, as TOML reads them; empty if there are none. Settings that
    "and" joins are several lines."""
    for match in re.finditer(r"\b[a-z_]+ = ", finding):
        for end in range(len(finding), match.end(), -1):
            setting = finding[match.start() : end]
            try:
                tomllib.loads(setting)
            except tomllib.TOMLDecodeError:
                continue
            rest = finding[end:].lstrip()
            further = find_setting(rest) if rest.startswith("and ") else ""
            return f"{setting.strip()}\n{further}".strip()
    return ""
