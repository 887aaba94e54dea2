"""Small shops whose exports have several quirks of real exports at once, with the right result of each. A quirk changes
how lines are written, and gives the setting that reads them or the lines that have no customer. So the right result is
known without the tested code: that of the base, less the lines that quirks have damaged.
"""

from __future__ import annotations

import csv
import io
import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 3, 1)
DAYS, CUSTOMERS = 120, 60
COLUMNS = ("order", "customer", "at", "article", "pieces", "price")


@dataclass(frozen=True)
class Line:
    """One line of an order. outcome: clean, or the reason of its rejection."""

    order: str
    customer: str
    at: datetime
    article: str
    pieces: int
    price: Decimal
    customer_text: str = ""
    pieces_text: str = ""
    outcome: str = "clean"

    @property
    def money(self) -> Decimal:
        return self.pieces * self.price


@dataclass
class Export:
    """A shop before it is written. file_of: the day in a file's name; top, source, columns: lines of shop.toml."""

    lines: list[Line]
    header: Callable[[int], tuple[str, ...]] = lambda number: COLUMNS
    time: Callable[[datetime], str] = lambda at: f"{at:%Y-%m-%d %H:%M:%S}"
    number: Callable[[Decimal], str] = str
    file_of: Callable[[datetime], str] = lambda at: f"{at:%Y-%m-%d}"
    delimiter: str = ","
    newline: str = "\n"
    empty_days: tuple[str, ...] = ()
    top: list[str] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    rules: list[str] = field(default_factory=list)
    quirks: list[Callable] = field(default_factory=list)

    @property
    def right(self) -> dict[str, object]:
        clean = [line for line in self.lines if line.outcome == "clean"]
        return {
            "clean": len(clean),
            "quarantined": len(self.lines) - len(clean),
            "sales": sum((line.money for line in clean if line.pieces > 0), Decimal(0)),
            "returns": sum(line.pieces < 0 for line in clean),
            "customers": len({line.customer for line in clean}),
        }

    def shop_toml(self, name: str) -> str:
        columns = {"customer_id": '"customer"', "event_at": '"at"', "product_id": '"article"', "quantity": '"pieces"',
                   "unit_price": '"price"', **self.columns}  # fmt: skip
        return "\n".join([
            f'name = "{name}"', 'time_zone = "Europe/Berlin"', 'currency = "EUR"', *self.top,
            "[churn]", "horizons_days = [14, 28]",
            "[sources.purchases]", 'location = "raw"', 'files = "*.csv"', 'format = "csv"', 'event_key = ["order"]',
            "delivery_day = '(\\d{4}-\\d{2}-\\d{2})'", f"delimiter = {self.delimiter!r}", *self.source,
            "[sources.purchases.columns]", *(f"{key} = {value}" for key, value in columns.items()), *self.rules, "",
        ])  # fmt: skip

    def files(self) -> dict[str, bytes]:
        by_day: dict[str, list[Line]] = {day: [] for day in self.empty_days}
        for line in self.lines:
            by_day.setdefault(self.file_of(line.at), []).append(line)
        return {f"{day}.csv": self._write(number, lines) for number, (day, lines) in enumerate(sorted(by_day.items()))}

    def _write(self, number: int, lines: list[Line]) -> bytes:
        if not lines:
            return b"" if number % 2 else (self.delimiter.join(self.header(number)) + self.newline).encode()
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.delimiter, lineterminator=self.newline)
        writer.writerow(self.header(number))
        for line in lines:
            writer.writerow([
                line.order, line.customer_text or line.customer, self.time(line.at), line.article,
                line.pieces_text or self.number(Decimal(line.pieces)), self.number(line.price),
            ])  # fmt: skip
        return out.getvalue().encode()


def make_base(draw: random.Random) -> Export:
    """Orders of one to three lines at all hours, every customer a few times."""
    prices = {f"A{n:02}": Decimal(draw.randint(199, 12_000)) / 100 for n in range(30)}
    lines = []
    for number in range(500):
        at = FIRST + timedelta(days=draw.randrange(DAYS), seconds=draw.randrange(86_400))
        customer = str(4_000_000 + 37 * draw.randrange(CUSTOMERS))
        for article in draw.sample(sorted(prices), draw.randint(1, 3)):
            lines.append(Line(str(1000 + number), customer, at, article, draw.randint(1, 4), prices[article]))
    return Export(sorted(lines, key=lambda line: line.at))


def write_headers_unlike(export: Export, draw: random.Random) -> None:
    spell = [str.upper, str.title, lambda name: f" {name} ", str]
    export.header = lambda number: tuple(spell[number % len(spell)](name) for name in COLUMNS)


def write_ids_padded(export: Export, draw: random.Random) -> None:
    export.lines = [replace(line, customer_text=line.customer.zfill(draw.choice([7, 10]))) for line in export.lines]
    export.top.append('customer_ids = "numeric"')


def write_ids_as_floats(export: Export, draw: random.Random) -> None:
    export.lines = [replace(line, customer_text=f"{line.customer}.0" if draw.random() < 0.5 else "")
                    for line in export.lines]  # fmt: skip


def write_ids_as_mail(export: Export, draw: random.Random) -> None:
    forms = [str.upper, str.lower, lambda text: f" {text}\u00a0", lambda text: unicodedata.normalize("NFD", text)]
    export.lines = [replace(line, customer_text=draw.choice(forms)(f"zoë{line.customer}@example.org"))
                    for line in export.lines]  # fmt: skip
    export.top.append('customer_ids = "case-insensitive"')


def write_words_for_nobody(export: Export, draw: random.Random) -> None:
    words = ["NULL", "nan", "None", "N/A", ""]
    export.lines = [replace(line, customer_text=draw.choice(words) or " ", outcome="customer_id_missing")
                    if draw.random() < 0.08 else line for line in export.lines]  # fmt: skip


def scan_a_bar_code(export: Export, draw: random.Random) -> None:
    place = draw.randrange(len(export.lines))
    bar_code = str(draw.randrange(4 * 10**12, 5 * 10**12))
    export.lines[place] = replace(export.lines[place], pieces_text=bar_code, outcome="quantity_too_large")


def put_a_nul_into_an_id(export: Export, draw: random.Random) -> None:
    place = draw.randrange(len(export.lines))
    line = export.lines[place]
    export.lines[place] = replace(line, customer_text=f"{line.customer}\0", outcome="customer_id_invalid")


def write_an_endless_id(export: Export, draw: random.Random) -> None:
    place = draw.randrange(len(export.lines))
    export.lines[place] = replace(export.lines[place], customer_text="9x" * 3000, outcome="customer_id_invalid")


def write_decimal_commas(export: Export, draw: random.Random) -> None:
    export.number = lambda value: f"{value:,}".replace(",", "_").replace(".", ",").replace("_", ".")
    export.delimiter = ";"
    export.source.append('numbers = "1.234,56"')


def return_some(export: Export, draw: random.Random) -> None:
    sold = draw.sample([line for line in export.lines if line.outcome == "clean"], 40)
    back = [replace(one, order=f"R{one.order}", pieces=-one.pieces) for one in sold]
    export.lines = sorted([*export.lines, *back], key=lambda line: line.at)
    export.rules += ["[[sources.purchases.returns]]", 'column = "pieces"', "below = 0"]


def write_another_time(export: Export, draw: random.Random) -> None:
    spellings = {"%d.%m.%Y %H:%M:%S": "dd.MM.yyyy HH:mm:ss", "%m/%d/%Y %I:%M:%S %p": "MM/dd/yyyy hh:mm:ss a",
                 "%Y%m%d%H%M%S": "yyyyMMddHHmmss", "%d-%b-%Y %H:%M:%S": "dd-MMM-yyyy HH:mm:ss"}  # fmt: skip
    spelling = draw.choice(sorted(spellings))
    export.time = lambda at: at.strftime(spelling)
    export.columns["event_at"] = f'{{ column = "at", format = "{spellings[spelling]}" }}'


def name_files_by_the_utc_day(export: Export, draw: random.Random) -> None:
    export.file_of = lambda at: f"{at.replace(tzinfo=ZONE).astimezone(UTC):%Y-%m-%d}"


def leave_days_empty(export: Export, draw: random.Random) -> None:
    closed = {f"{FIRST + timedelta(days=n):%Y-%m-%d}" for n in range(0, DAYS, 7)}
    export.lines = [line for line in export.lines if f"{line.at:%Y-%m-%d}" not in closed]
    export.empty_days = tuple(sorted(closed))
    export.top.append('closed_days = ["sunday"]')


def end_lines_as_windows_does(export: Export, draw: random.Random) -> None:
    export.newline = "\r\n"


#: At most one of each group: they would contradict each other.
QUIRKS = (
    (write_headers_unlike,),
    (write_ids_padded, write_ids_as_floats, write_ids_as_mail),
    (write_words_for_nobody,),
    (scan_a_bar_code,),
    (put_a_nul_into_an_id, write_an_endless_id),
    (write_decimal_commas,),
    (return_some,),
    (write_another_time,),
    (name_files_by_the_utc_day,),
    (leave_days_empty,),
    (end_lines_as_windows_does,),
)


def draw_export(seed: int) -> Export:
    """A shop with about half of the quirks."""
    draw = random.Random(seed)
    export = make_base(draw)
    for group in QUIRKS:
        if draw.random() < 0.5:
            export.quirks.append(draw.choice(group))
            export.quirks[-1](export, draw)
    return export
