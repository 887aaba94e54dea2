"""Guesses what the columns of an unknown export mean, from their names and first records, for `churn init`.

Every guess stands in shop.toml below its evidence, which never holds a customer's id or text. Guesses are for a person
to read and for `check` to test: nothing here decides how a night reads a file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from spark_jobs.checking.remedies import write_column
from spark_jobs.checking.time_shapes import deduce_formats
from spark_jobs.cleaning.numbers import DECIMAL_COMMA, read_number
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.toml_text import quote

FIRST_RECORDS = 5000
#: At least this share of a column's values must look like what the column is taken for.
NEARLY_ALL = 0.9
#: Words of column names by what they mean, in the languages of many exports; the first that fits is taken.
NAMES = {
    "customer_id": r"customer_?(id|no|number|nr)$|client_?(id|no)|kunden_?(nr|nummer|id)|user_?id|buyer_?id|member_?id"
    r"|visitor_?id|^(customer|client|kunde|cliente|user|buyer|member)$|e_?mail|buyer|customer|kunde|client",
    "event_at": r"(created|ordered|sold|paid|event|purchase|order|invoice)_?(at|date|time|datetime|timestamp)"
    r"|bestell_?datum|date|datum|fecha|data_|time|timestamp|zeit|_at$",
    "product_id": r"sku|product_?(id|code|no|number)|item_?(id|code|no|number)|stock_?code|artikel_?(nr|nummer|id)|ean"
    r"|article|artikel|produkt|product|item",
    "quantity": r"qty|quantity|menge|anzahl|pieces|units?$|cantidad|quantite|stueck|stuck",
    "amount": r"line_?total|row_?total|net_?(amount|total|sales)|amount|betrag|umsatz|revenue|importe|montant|total"
    r"|summe",
    "unit_price": r"unit_?price|item_?price|einzel_?preis|price|preis|precio|prix|prezzo|cena",
    "currency": r"currency|waehrung|wahrung|moneda|devise|valuta",
    "category": r"category|kategorie|warengruppe|categoria|categorie|department",
    "rating": r"rating|stars|score|bewertung|sterne",
    "text": r"review_?(text|body)|comment|text|kommentar",
    "session_id": r"session",
}
LOGS = {
    "purchases": ("customer_id", "event_at", "product_id", "category", "quantity", "unit_price", "amount", "currency"),
    "reviews": ("customer_id", "event_at", "product_id", "rating", "text"),
    "browses": ("customer_id", "event_at", "product_id", "category", "session_id"),
}


@dataclass(frozen=True)
class Sample:
    """The first records of a file as texts. settings: lines of shop.toml without which it could not be read."""

    format: str
    settings: tuple[str, ...]
    frame: pd.DataFrame


@dataclass(frozen=True)
class ColumnGuess:
    """name: the canonical column; column: the raw one, None for a constant; line: of shop.toml."""

    name: str
    column: str | None
    line: str
    why: str


def guess_source(file: Path, place: Iterable[str]) -> tuple[str, str]:
    """The log of the file, and its commented section of shop.toml. place: the lines that say where its files are.

    Raises ChurnError if no column can be the customer or the time.
    """
    sample = read_sample(file)
    log = choose_log(sample.frame)
    guesses = guess_columns(sample.frame, LOGS[log])
    found = {guess.name for guess in guesses}
    if missing := [name for name in ("customer_id", "event_at") if name not in found]:
        columns = ", ".join(map(str, sample.frame.columns))
        raise ChurnError(f"{file.name}: no column looks like {' or '.join(missing)} (columns: {columns}): write the "
                         "shop.toml by hand, as infra/docs/tutorial.md shows")  # fmt: skip
    if log == "purchases" and "quantity" not in found:
        guesses.append(
            ColumnGuess("quantity", None, 'quantity = { constant = "1" }', "no column looks like a quantity")
        )
    lines = [f"[sources.{log}]", *place, f'format = "{sample.format}"', *sample.settings,
             *guess_numbers(sample.frame, guesses), "", f"[sources.{log}.columns]"]  # fmt: skip
    lines += [line for guess in guesses for line in (f"# {guess.why}", guess.line)]
    taken = {guess.column for guess in guesses}
    if left := [str(name) for name in sample.frame.columns if str(name) not in taken]:
        lines.append(f"# not mapped, so never stored: {', '.join(left)}")
    return log, "\n".join(lines) + "\n"


def read_sample(file: Path) -> Sample:
    """Raises ChurnError if the file is of no known kind."""
    kind = "".join(file.suffixes[-2:]).lower().removesuffix(".gz")
    try:
        if kind.endswith((".parquet", ".pq")):
            batch = next(pq.ParquetFile(file).iter_batches(FIRST_RECORDS))
            return Sample("parquet", (), batch.to_pandas().astype(str))
        if kind.endswith((".xlsx", ".xls", ".xlsb", ".ods")):
            return Sample("xlsx", (), pd.read_excel(file, dtype=str, nrows=FIRST_RECORDS, engine="calamine"))
        if kind.endswith((".jsonl", ".ndjson", ".json")):
            return Sample("jsonl", (), _read_json(file).head(FIRST_RECORDS).map(str))
        return _read_table(file)
    except (ValueError, OSError, UnicodeError, StopIteration) as error:
        reason = str(error).splitlines()[0] if str(error) else "it is empty"
        raise ChurnError(f"{file.name} cannot be read ({reason}): is it a CSV, JSON, Parquet or Excel file? If your "
                         "shop system is known, name it with --like") from None  # fmt: skip


def _read_json(file: Path) -> pd.DataFrame:
    """Objects by the line, or the array of a whole file."""
    try:
        frame = pd.read_json(file, lines=True, dtype=False, convert_dates=False, nrows=FIRST_RECORDS)
        return frame if isinstance(frame.columns[0], str) else pd.read_json(file, dtype=False, convert_dates=False)
    except ValueError:
        return pd.read_json(file, dtype=False, convert_dates=False)


def _read_table(file: Path) -> Sample:
    """A CSV of any usual delimiter and encoding."""
    for encoding in ("utf-8", "cp1252"):
        try:
            head = pd.read_csv(file, sep="\x00", header=None, dtype=str, nrows=1, encoding=encoding, engine="python",
                               quoting=3).iloc[0, 0]  # fmt: skip
            delimiter = max(",;\t|", key=str(head).count)
            frame = pd.read_csv(file, sep=delimiter, dtype=str, nrows=FIRST_RECORDS, encoding=encoding,
                                keep_default_na=False, on_bad_lines="skip")  # fmt: skip
        except UnicodeDecodeError:
            continue
        settings = [f"delimiter = {quote(delimiter)}"] if delimiter != "," else []
        settings += ['encoding = "windows-1252"'] if encoding == "cp1252" else []
        return Sample("csv", tuple(settings), frame)
    raise ValueError("its texts have no usual encoding")


def choose_log(frame: pd.DataFrame) -> str:
    plain = [_plain(name) for name in frame.columns]

    def has(role: str) -> bool:
        return any(re.search(NAMES[role], name) for name in plain)

    if has("quantity") or has("unit_price") or has("amount"):
        return "purchases"
    return "reviews" if has("rating") else "browses"


def guess_columns(frame: pd.DataFrame, roles: Iterable[str]) -> list[ColumnGuess]:
    """One guess for each role that a column fits by name and values; no column is taken twice."""
    free, guesses = [str(name) for name in frame.columns], list[ColumnGuess]()
    for role in roles:
        if role == "amount" and any(guess.name == "unit_price" for guess in guesses):
            continue  # a price and a quantity say the amount
        for name in _by_name(free, NAMES[role]):
            values = [value for value in frame[name].astype(str) if value.strip() not in ("", "nan", "None", "NaT")]
            guess = _try(role, name, values)
            if guess:
                guesses.append(guess)
                free.remove(name)
                break
    return guesses


def _by_name(names: Sequence[str], pattern: str) -> list[str]:
    """The names that the pattern fits, those first whose word stands earlier in it."""
    words = re.split(r"\|(?![^(]*\))", pattern)
    ranked = [
        (next((rank for rank, word in enumerate(words) if re.search(word, _plain(name))), None), place, name)
        for place, name in enumerate(names)
    ]
    return [name for rank, _, name in sorted((r, p, n) for r, p, n in ranked if r is not None)]


def _try(role: str, name: str, values: Sequence[str]) -> ColumnGuess | None:
    if not values:
        return None
    if role == "event_at":
        candidates = deduce_formats(values[:1000])
        if not candidates:
            return None
        mapping = ColumnMapping(name, format=candidates[0].format, language=candidates[0].language)
        return ColumnGuess(role, name, write_column(role, mapping), f"{name}: times like {values[0]}")
    if role in ("quantity", "unit_price", "amount", "rating"):
        spelling = _spell(values)
        read = sum(read_number(value, spelling) is not None for value in values)
        if read < NEARLY_ALL * len(values):
            return None
        return ColumnGuess(role, name, write_column(role, ColumnMapping(name)), f"{name}: numbers like {values[0]}")
    if role == "currency" and sum(len(value) <= 4 for value in values) < NEARLY_ALL * len(values):
        return None
    different = len(set(values))
    why = f"{name}: {different:,} different values in the first {len(values):,} records"
    return ColumnGuess(role, name, write_column(role, ColumnMapping(name)), why)


def guess_numbers(frame: pd.DataFrame, guesses: Iterable[ColumnGuess]) -> list[str]:
    """The line that says how numbers are spelt, where a column of numbers plainly has decimal commas."""
    numbers = [guess.column for guess in guesses if guess.name in ("quantity", "unit_price", "amount") and guess.column]
    spelt = {_spell(frame[column].astype(str)) for column in numbers}
    return ['numbers = "1.234,56"'] if "1.234,56" in spelt else []


def _spell(values: Iterable[str]) -> str:
    return "1.234,56" if any(re.search(DECIMAL_COMMA, value) for value in values) else "1234.56"


def _plain(name: object) -> str:
    """The name in lower case, without accents, in words joined by underscores."""
    text = unicodedata.normalize("NFKD", str(name).replace("ß", "ss"))
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.encode("ascii", "ignore").decode())
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
