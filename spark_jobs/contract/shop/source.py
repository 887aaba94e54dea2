"""One log's raw files and what their columns mean, as a table `sources.<log>` of shop.toml describes them."""

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

#: How numbers are spelt: the mark between thousands and the one before decimals. All but the plain one take blanks and
#: apostrophes between thousands, too.
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

    is_expected: whether they are the shop's daily life, which stops no run however many they are.
    """

    reason: str
    condition: Condition
    is_expected: bool = False


@dataclass(frozen=True)
class DeliveryDay:
    """The day that a raw file's path names, and which delivery day that is.

    pattern   regular expression with one group, on the path below location: a day like 2011-09-06
    format    how the group writes the day, see path_days.py; None: as ISO 8601 does
    zone      whose day it is: an event after its end there is rejected. None: the shop's day, and an event of the day
              after the delivery day is taken, too
    lag_days  the delivery day is the day in the path less so many: 1 where a file brings the events of the day before,
              -6 where a week's file is named by the week's first day
    """

    pattern: str
    zone: str | None = None
    lag_days: int = 0
    format: str | None = None


@dataclass(frozen=True)
class Limits:
    """What a file may ask for. Beyond it a record, or the whole file, is rejected.

    record_characters    the longest line
    nesting              how deep a JSON record may nest
    file_bytes           the largest file, decompressed
    decompression_ratio  how much larger than delivered, judged from ratio_from_bytes on
    """

    record_characters: int = 1 << 20
    nesting: int = 32
    file_bytes: int = 1 << 36
    decompression_ratio: int = 1000
    ratio_from_bytes: int = 1 << 26


@dataclass(frozen=True)
class Layout:
    """What some files of a source call its raw columns.

    names   (name that the mapping knows, name in these files) pairs, where the two differ
    absent  raw columns that these files do not have: every record lacks the value
    """

    names: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One log's raw files and their mapping.

    location          folder of the raw files; {home} stands for CHURN_HOME
    files             glob below it
    delivery_day      how a file's path tells its delivery day; None: a first dump
    event_key         raw columns that distinguish records beside the mapped ones
    carry_down        raw columns that stand on the first line of an order only, see order_columns
    exact_duplicates  keep: equal records of one file are several events; drop: they are one
    max_conflicting_share  so many records may have the id of another one and say something else; None: the default
    returns           a record that meets any of these is a return, its quantity taken as absolute
    only              the records of this log in files that hold several: those that meet any of these; empty: all
    others            of a file that several logs read, the tests by which the logs after this one choose theirs
    leaves_rest       whether an earlier log reads the same files, and sees to records that nobody chooses
    max_events_per_hour  a customer with more in any hour of one delivery is a bot
    numbers           one of NUMBERS, unless a column says otherwise; None: plain ones like 1234.56
    plausible_amount  purchases: the most that a line may be worth; None: what follows from the shop's own lines
    rating_range      the lowest and the highest rating that the shop allows
    quotes            CSV: whether a field may stand in quotes; else a quote is a letter like any other
    header            the names of the columns of files without a header; empty: files have one
    skip_lines        so many lines stand before the header, or before the records of files without one
    finds_header      whether the header is the first line that has the columns
    skip_last         so many lines behind the records are none, like totals
    sheet             of a workbook, by its name; None: the first
    members           which files of a zip archive hold records: a pattern of their names
    records           JSON: the path to the array of records within an object, like `orders[]`; None: no such object
    layouts           other layouts of files; a file has the first whose columns it all has, the source's own before
    max_refused_share of the records of a delivery day, more in files that are refused stop the run; 1: never
    updates           purchases: latest: an event changes with later records of its id; None: its first one counts
    snapshots         whether every file has all events of its time, so that missing ones are worth a word
    status            purchases: which orders count, see orders.py
    spread            purchases: what an order pays once, see orders.py
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
        """How a canonical column spells its numbers; None where the shop does not say."""
        mapping = self.columns.get(name)
        return (mapping and mapping.numbers) or self.numbers

    def numbers_of_raw(self, column: str) -> str | None:
        """The same of a raw column, mapped or not."""
        own = (mapping.numbers for mapping in self.columns.values()
               if column in (mapping.column, *mapping.others) and mapping.numbers)  # fmt: skip
        return next(own, self.numbers)

    @property
    def record_keys(self) -> tuple[str, ...]:
        """The keys that lead to the array of records within a JSON object."""
        return tuple(self.records.removesuffix("[]").split(".")) if self.records else ()

    @property
    def order_columns(self) -> tuple[str, ...]:
        """The raw columns in which the lines of an order agree; none where the shop does not say."""
        event_id = self.columns.get("event_id")
        return self.event_key or ((event_id.column,) if event_id and event_id.column else ())

    @property
    def hashes_orders(self) -> bool:
        """Whether an order, named by event_key, consists of its lines in the newest file that has it."""
        return self.updates is not None and bool(self.event_key)

    @property
    def order_level_columns(self) -> tuple[str, ...]:
        """The raw columns that hold for all lines of an order though they may stand on its first one only."""
        status = (self.status.column,) if self.status and self.order_columns else ()
        return tuple(dict.fromkeys((*self.carry_down, *status)))

    @property
    def expected_reasons(self) -> frozenset[str]:
        """The codes of rejections that are no fault of the data: so many of them stop no run."""
        own = (code for code, reason in LOGS[self.log].rejections.items() if not reason.is_fault)
        return frozenset(own) | {rule.reason for rule in self.rejections if rule.is_expected}

    @property
    def needed_columns(self) -> set[str]:
        """The raw columns without which no record counts."""
        names = LOGS[self.log].needed if self.log in LOGS else ("customer_id",)
        needed = (self.columns[name].columns for name in names if name in self.columns)
        return {column for columns in needed for column in columns if not is_optional(column)}

    @cached_property
    def raw_columns(self) -> tuple[str, ...]:
        """Every raw column that the mapping looks at, in a fixed order."""
        names = {column for mapping in self.columns.values() for column in mapping.raw_columns}
        names |= {*self.event_key, *self.carry_down, *((self.status.column,) if self.status else ())}
        names |= set(self.spread.columns) if self.spread else set()
        names |= {c.column for c in (*self.returns, *self.only, *self.others)}
        return tuple(sorted(names | {r.condition.column for r in self.rejections}))
