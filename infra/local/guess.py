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

from infra.local.sample import read_sample
from spark_jobs.checking.remedies import write_column
from spark_jobs.checking.time_shapes import deduce_formats
from spark_jobs.checking.values import propose_numbers
from spark_jobs.cleaning.numbers import read_number
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.source import ColumnMapping
from spark_jobs.contract.shop.time_patterns import NAMED
from spark_jobs.contract.shop.toml_text import quote, write_list

#: At least this share of a column's values must look like what the column is taken for, and be there at all.
NEARLY_ALL, MOSTLY_THERE = 0.9, 0.5
#: Words of column names by what they mean, in the languages of many exports; the first that fits is taken.
NAMES = {
    "customer_id": r"(customer|client|buyer|member|kunden|klient|cliente|musteri|kund|klant)_?(id|no|number|nr|nummer"
    r"|code)$"
    r"|^(customer|client|kunde|kundin|cliente|buyer|member|klient|musteri|kund|klant|kupujacy|zakaznik|клиент|покупатель)$"
    r"|kunden|客户|会员|顧客|買家|customer_email|buyer_email|e_?mail|user_?id|visitor_?id|customer|buyer|client|musteri"
    r"|klient|клиент|user_?pseudo_?id|^user$",
    "event_at": r"(created|ordered|order|purchase|sale|event|bestell|processed)_?(at|date|time|datetime|timestamp"
    r"|datum)(_gmt|_utc)?$|^created$|date_created(_gmt)?|(sold|paid|invoice|posted|transaction|beleg|rechnungs)_?(at|date|datum"
    r"|time|timestamp|date_time)|^date$|datum|fecha|tarih|^data$|data_|дата|日期|日時|时间|date|time|timestamp|zeit|_at$",
    "product_id": r"sku|product_?(id|code|no|number)|item_?(id|code|no|number)|stock_?code|artikel_?(nr|nummer|id)|ean"
    r"|article|artikel|^reference$|kod_produktu|urun_kodu|produkt|product|urun|item|артикул|товар|商品|货号",
    "quantity": r"qty|quantity|menge|anzahl|pieces|units?$|cantidad|quantite|quantidade|quantita|stueck|stuck|adet"
    r"|ilosc|aantal|antal|mnozstvi|количество|кол_во|数量",
    "amount": r"line_?total|row_?total|net_?(amount|total|sales)|amount|betrag|umsatz|revenue|importe|importo|montant"
    r"|kwota|tutar|bedrag|belopp|сумма|金额|金額|gross_?sales|brutto|total|summe",
    "unit_price": r"unit_?price|item_?price|einzel_?preis|birim_fiyat|price|preis|precio|preco|prix|prezzo|cena|fiyat"
    r"|prijs|pris$|цена|单价|単価|価格",
    "currency": r"currency|waehrung|wahrung|moneda|devise|valuta|waluta|para_birimi|валюта|币种",
    "category": r"category|kategorie|warengruppe|categoria|categorie|department|kategoria|категория|类别",
    "rating": r"rating|stars|score|bewertung|sterne",
    "text": r"review_?(text|body)|comment|text|kommentar",
    "session_id": r"session",
}
ORDER = (
    r"^(order|orders?_?(id|no|number|nr|name)|invoice(_?(id|no|number))?|receipt_?(id|no|number)|sale_?id|transaction_?id"
    r"|beleg_?(nr|nummer)|bestell_?(nr|nummer)|auftrags_?(nr|nummer)|siparis_no|nr_zamowienia"
    r"|pedido|(n|numero|no)_(de_)?(commande|pedido|ordine)|commande|ordine|订单号)$"
)
#: A time of these names is later than the purchase, and a price of these is not what was paid.
RARELY_MEANT = re.compile(
    r"refund|cancel|return|updat|modif|ship|deliver|fulfil|birth|due|expir|compare|tax|discount|fee"
)
#: Letters that no accent can be taken off.
LETTERS = str.maketrans({"ß": "ss", "ł": "l", "ı": "i", "ø": "o", "æ": "ae", "đ": "d"})
PRICES, MOST_NAMED = "unit_price or amount", 12
LOGS = {
    "purchases": ("customer_id", "event_at", "product_id", "category", "quantity", "unit_price", "amount", "currency"),
    "reviews": ("customer_id", "event_at", "product_id", "rating", "text"),
    "browses": ("customer_id", "event_at", "product_id", "category", "session_id"),
}


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
    sample = read_sample(file, count_known)
    log = choose_log(sample.frame)
    guesses = guess_columns(sample.frame, LOGS[log])
    found = {guess.name for guess in guesses}
    needed = ("customer_id", "event_at", *((PRICES,) if log == "purchases" else ()))
    if missing := [name for name in needed if not found & {*name.split(" or ")}]:
        columns = ", ".join(map(str, sample.frame.columns[:MOST_NAMED]))
        raise ChurnError(f"{file.name}: no column looks like {' or '.join(missing)} (columns: {columns}): write the "
                         "shop.toml by hand, as infra/docs/tutorial.md shows, or export that column too")  # fmt: skip
    if log == "purchases" and "quantity" not in found:
        guesses.append(
            ColumnGuess("quantity", None, 'quantity = { constant = "1" }', "no column looks like a quantity")
        )
    order = find_order(map(str, sample.frame.columns)) if log == "purchases" else None
    lines = [f"[sources.{log}]", *place, f'format = "{sample.format}"', *sample.settings,
             *guess_numbers(sample.frame, guesses), *([f"event_key = {write_list([order])}"] if order else []), "",
             f"[sources.{log}.columns]"]  # fmt: skip
    lines += [line for guess in guesses for line in (f"# {guess.why}", guess.line)]
    taken = {*(guess.column for guess in guesses), order}
    if left := [str(name) for name in sample.frame.columns if str(name) not in taken]:
        lines.append(f"# not mapped, so never stored: {', '.join(left)}")
    return log, "\n".join(lines) + "\n"


def count_known(names: Sequence[str]) -> int:
    """How many roles of a column some of these names fit."""
    plain = [_plain(name) for name in names]
    return sum(any(re.search(pattern, name) for name in plain) for pattern in NAMES.values())


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
        tried = (_try(role, name, _values_of(frame, name)) for name in _by_name(role, free, frame))
        if guess := next(filter(None, tried), None):
            guesses.append(guess)
            free.remove(guess.column or "")
    return guesses


def _values_of(frame: pd.DataFrame, name: str) -> list[str]:
    return [value for value in frame[name].astype(str) if value.strip() not in ("", "nan", "None", "NaT")]


def _by_name(role: str, names: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """The names that fit the role, the likeliest first: columns that most records fill, and whose names hardly ever
    mean something else; of items those of the array; then those whose word stands earlier in NAMES."""
    words = re.split(r"\|(?![^(]*\))", NAMES[role])
    is_of_item = role in ("product_id", "quantity", "unit_price", "amount", "category")

    def rank(place: int, name: str) -> tuple | None:
        word = next((rank for rank, word in enumerate(words) if re.search(word, _plain(name))), None)
        is_there = len(_values_of(frame, name)) >= MOSTLY_THERE * len(frame)
        order = not is_there, bool(RARELY_MEANT.search(_plain(name))), is_of_item and "[]" not in name, word, place
        return None if word is None else order

    ranked = [(order, name) for place, name in enumerate(names) if (order := rank(place, name))]
    return [name for _, name in sorted(ranked)]


def _try(role: str, name: str, values: Sequence[str]) -> ColumnGuess | None:
    if not values:
        return None
    if role == "event_at":
        candidates = deduce_formats(values[:1000])
        if not candidates:
            return None
        reads = {one: sum(may_read(one.format, text) for text in values) for one in candidates}
        best = [one for one in candidates if reads[one] == max(reads.values())]
        mapping = ColumnMapping(name, format=best[0].format, language=best[0].language)
        other = f", which {best[1].format} reads too: look which is meant" if len(best) > 1 else ""
        return ColumnGuess(role, name, write_column(role, mapping), f"{name}: times like {values[0]}{other}")
    if role in ("quantity", "unit_price", "amount", "rating"):
        spelling = propose_numbers(values) or "1234.56"
        read = sum(read_number(value, spelling) is not None for value in values)
        if read < NEARLY_ALL * len(values):
            return None
        return ColumnGuess(role, name, write_column(role, ColumnMapping(name)), f"{name}: numbers like {values[0]}")
    if role == "currency" and sum(len(value) <= 4 for value in values) < NEARLY_ALL * len(values):
        return None
    different = len(set(values))
    values_found = f"{different:,} different values" if different > 1 else "one value"
    why = f"{name}: {values_found} in the first {len(values):,} records"
    return ColumnGuess(role, name, write_column(role, ColumnMapping(name)), why)


def may_read(pattern: str, text: str) -> bool:
    """Whether a pattern of numbers alone may read a time: no month is above 12, no day above 31. True for others."""
    if pattern in NAMED or re.search("M{3}|[^yMdHhmsSXxza]", re.sub(r"'[^']*'|[^A-Za-z]", "", pattern)):
        return True
    parts = re.sub(r"([A-Za-z])\1*", lambda run: {"M": r"(?P<M>\d+)", "d": r"(?P<d>\d+)"}.get(run[1], r"\S+?"),
                   re.sub(r"'([^']*)'", lambda quoted: "." * len(quoted[1]), pattern))  # fmt: skip
    found = re.match(parts, text.strip()) if "(?P<M>" in parts and "(?P<d>" in parts else None
    return found is None or (int(found["M"]) <= 12 and int(found["d"]) <= 31)


def find_order(names: Iterable[str]) -> str | None:
    """The column that looks like the number of the order that lines belong to."""
    return next((name for name in names if re.search(ORDER, _plain(name))), None)


def guess_numbers(frame: pd.DataFrame, guesses: Iterable[ColumnGuess]) -> list[str]:
    """The line that says how numbers are spelt, where those that are not plain are all alike."""
    numbers = [guess.column for guess in guesses if guess.name in ("quantity", "unit_price", "amount") and guess.column]
    spelt = {propose_numbers(_values_of(frame, column)) for column in numbers} - {None}
    return [f"numbers = {quote(spelt.pop() or '')}"] if len(spelt) == 1 else []


def _plain(name: object) -> str:
    """The name in lower case, without accents, in words joined by underscores."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name))
    text = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return re.sub(r"[\W_]+", "_", text.lower().translate(LETTERS)).strip("_")
