"""A log's raw files and the mapping of their columns: the model of a table `sources.<log>` of shop.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.column_mapping import ColumnMapping
from spark_jobs.contract.shop.orders import Spread, Status
from spark_jobs.contract.shop.paths import is_optional

#: Number formats: the separators of thousands and of decimals. All but the plain format also accept blanks and
#: apostrophes between thousands.
NUMBERS = {
    "1,234.56": (",", "."), "1.234,56": (".", ","), "1 234,56": (" ", ","), "1 234.56": (" ", "."),
    "1'234.56": ("'", "."), "1'234,56": ("'", ","), "12,34,567.89": (",", "."), "1234.56": ("", "."),
}  # fmt: skip
TESTS = ("equals", "in", "starts_with", "matches", "below", "above", "is_empty")


@dataclass(frozen=True)
class Condition:
    """One test on one raw column: `test` is one of TESTS and `value` its operand."""

    column: str
    test: str
    value: bool | float | str | tuple[str, ...]


@dataclass(frozen=True)
class Rejection:
    """Records that meet `condition` are quarantined under this reason code.

    is_expected: whether such records are normal for the shop; they never stop a run, however many there are.
    """

    reason: str
    condition: Condition
    is_expected: bool = False


@dataclass(frozen=True)
class DeliveryDay:
    """How the delivery day follows from a raw file's path.

    pattern   regular expression on the path below location; its one group is the day, like 2011-09-06
    format    the day format of the group, see path_days.py; None: ISO 8601
    zone      the time zone of the day: events after the end of the day in this zone are rejected. None: the shop's
              zone, and events of the following day are accepted too
    lag_days  subtracted from the day in the path: 1 if a file has the events of the day before, -6 if a week's file
              is named by the first day of the week
    """

    pattern: str
    zone: str | None = None
    lag_days: int = 0
    format: str | None = None


@dataclass(frozen=True)
class Limits:
    """Limits against damaged or malicious files. A record or file that exceeds them is rejected.

    record_characters    the longest line
    nesting              the deepest nesting of a JSON record
    file_bytes           the largest file, decompressed
    decompression_ratio  decompressed over compressed size; checked from ratio_from_bytes on
    """

    record_characters: int = 1 << 20
    nesting: int = 32
    file_bytes: int = 1 << 36
    decompression_ratio: int = 1000
    ratio_from_bytes: int = 1 << 26


@dataclass(frozen=True)
class Layout:
    """Different names of a source's raw columns in some of its files.

    names   (name in the mapping, name in these files) pairs, where the two differ
    absent  raw columns that these files lack; the values are missing in all records
    """

    names: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One log's raw files and their mapping.

    location          folder of the raw files; {home} stands for CHURN_HOME
    files             glob below it
    delivery_day      how the delivery day follows from a file's path; None: files are undated
    event_key         raw columns that distinguish records, besides the mapped ones
    carry_down        raw columns that only the first line of an order fills, see order_columns
    exact_duplicates  keep: equal records of one file are several events; drop: they are one
    max_conflicting_share  the most records with another record's id but other content; None: the default
    returns           a record that meets any of these is a return, and its quantity is taken as absolute
    only              in files that several logs read, a record that meets any of these belongs to this log; empty: all
    others            the `only` conditions of the later logs that read the same files
    leaves_rest       whether an earlier log reads the same files; that log rejects the records that no log takes
    max_events_per_hour  a customer with more events in any hour of one delivery is a bot
    numbers           one of NUMBERS, unless a column has its own; None: plain numbers like 1234.56
    plausible_amount  purchases: the largest plausible amount of a line; None: derived from the shop's own lines
    rating_range      the lowest and the highest rating that the shop allows
    quotes            CSV: whether fields may be quoted; else a quotation mark is an ordinary character
    escape            CSV: the character before a quotation mark that is part of a text; None: such marks are doubled
    header            the column names of files without a header; empty: files have one
    skip_lines        number of lines before the header, or before the records if there is no header
    finds_header      whether the header is the first line with the mapped columns
    skip_last         number of lines after the records that are none, like totals
    sheet             the name of a workbook's sheet, or a pattern for the names of several; None: the first
    members           which files of a zip archive hold records: a pattern for their names
    records           JSON: the path to the records within an object: `orders[]` is an array, `orders{}` an object whose
                      values are the records, `{}` the outermost object; None: no such object
    layouts           alternative layouts; the first whose columns a file all has applies, after the source's own
    max_refused_share the run stops if more of a delivery day's records are in refused files; 1: never
    updates           purchases: latest: later records of an id change its event; None: the first record counts
    snapshots         whether every file has all events of its period; then missing events cause a warning
    status            purchases: which orders count, see orders.py
    spread            purchases: amounts of whole orders, see orders.py
    """

    log: str
    location: str
    files: str
    format: str
    columns: Mapping[str, ColumnMapping]
    delivery_day: DeliveryDay | None = None
    event_key: tuple[str, ...] = ()
    carry_down: tuple[str, ...] = ()
    exact_duplicates: str = "keep"
    max_quarantined_share: float = 0.2
    max_conflicting_share: float | None = None
    delimiter: str = ","
    encoding: str = "utf-8"
    quotes: bool = True
    escape: str | None = None
    returns: tuple[Condition, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    only: tuple[Condition, ...] = ()
    others: tuple[Condition, ...] = ()
    leaves_rest: bool = False
    max_events_per_hour: int | None = None
    plausible_amount: Decimal | None = None
    numbers: str | None = None
    rating_range: tuple[float, float] = (1.0, 5.0)
    limits: Limits = Limits()
    header: tuple[str, ...] = ()
    skip_lines: int = 0
    finds_header: bool = False
    skip_last: int = 0
    sheet: str | None = None
    members: str = "*"
    records: str | None = None
    layouts: tuple[Layout, ...] = ()
    max_refused_share: float = 0.2
    updates: str | None = None
    snapshots: bool = False
    status: Status | None = None
    spread: Spread | None = None

    def folder(self, home: Path) -> str:
        """The folder of the raw files, a path or a URL."""
        return self.location.replace("{home}", str(home))

    def numbers_of(self, name: str) -> str | None:
        """The number format of a canonical column; None if the shop does not set it."""
        mapping = self.columns.get(name)
        return (mapping and mapping.numbers) or self.numbers

    def numbers_of_raw(self, column: str) -> str | None:
        """The number format of a raw column, mapped or not."""
        own = (mapping.numbers for mapping in self.columns.values()
               if column in (mapping.column, *mapping.others) and mapping.numbers)  # fmt: skip
        return next(own, self.numbers)

    @property
    def record_keys(self) -> tuple[str, ...]:
        """The keys from a JSON object to its records."""
        return tuple(filter(None, (self.records or "")[:-2].split(".")))

    @property
    def has_keyed_records(self) -> bool:
        """Whether records are the values of a JSON object, not the elements of an array."""
        return (self.records or "").endswith("{}")

    @property
    def order_columns(self) -> tuple[str, ...]:
        """The raw columns that identify an order: equal for all its lines. Empty if the shop does not set them."""
        event_id = self.columns.get("event_id")
        return self.event_key or ((event_id.column,) if event_id and event_id.column else ())

    @property
    def hashes_orders(self) -> bool:
        """Whether event_key identifies orders, and the newest file with an order has all its lines."""
        return self.updates is not None and bool(self.event_key)

    @property
    def order_level_columns(self) -> tuple[str, ...]:
        """The raw columns whose value holds for all lines of an order, even if only the first line has it."""
        status = (self.status.column,) if self.status and self.order_columns else ()
        return tuple(dict.fromkeys((*self.carry_down, *status)))

    @property
    def expected_reasons(self) -> frozenset[str]:
        """The reason codes that are no fault of the data; such rejections never stop a run."""
        own = (code for code, reason in LOGS[self.log].rejections.items() if not reason.is_fault)
        return frozenset(own) | {rule.reason for rule in self.rejections if rule.is_expected}

    @property
    def needed_choices(self) -> list[tuple[str, ...]]:
        """The raw columns that every record needs; of a choice with several columns one is enough."""
        names = LOGS[self.log].needed if self.log in LOGS else ("customer_id",)
        mapped = [self.columns[name] for name in names if name in self.columns]
        choices = [choice for mapping in mapped for choice in mapping.choices]
        return [choice for choice in choices if not any(map(is_optional, choice))]

    @property
    def needed_columns(self) -> set[str]:
        """The raw columns without which no record can count."""
        return {choice[0] for choice in self.needed_choices if len(choice) == 1}

    @cached_property
    def raw_columns(self) -> tuple[str, ...]:
        """Every raw column that the mapping reads, in a fixed order."""
        names = {column for mapping in self.columns.values() for column in mapping.raw_columns}
        names |= {*self.event_key, *self.carry_down, *((self.status.column,) if self.status else ())}
        names |= set(self.spread.columns) if self.spread else set()
        names |= {c.column for c in (*self.returns, *self.only, *self.others)}
        return tuple(sorted(names | {r.condition.column for r in self.rejections}))
