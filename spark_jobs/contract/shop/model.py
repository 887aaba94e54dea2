"""A shop as its shop.toml describes it; shop_file.py reads the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from spark_jobs.contract.customer_ids import CustomerIds
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.measures import ACTIVITY_LOGS
from spark_jobs.contract.windows import ChurnDefinition

#: How a source spells its numbers: the mark between thousands and the one before decimals.
NUMBERS = {"1,234.56": (",", "."), "1.234,56": (".", ","), "1 234,56": (" ", ",")}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TESTS = ("equals", "in", "starts_with", "matches", "below", "above", "is_empty")


@dataclass(frozen=True)
class Condition:
    """One test on one raw column: `test` is one of TESTS and `value` its operand."""

    column: str
    test: str
    value: bool | float | str | tuple[str, ...]


@dataclass(frozen=True)
class Rejection:
    """Records that meet `condition` are quarantined under this reason code."""

    reason: str
    condition: Condition


@dataclass(frozen=True)
class ColumnMapping:
    """Where a canonical column comes from: a raw column or, for every record alike, a constant.

    format  for event_at only: see contract/shop/time_patterns.py; None parses ISO 8601
    zone    for event_at only: the zone of times without an offset; None is the shop's
    scale   for numbers only: what one of the given units is worth, like 0.01 for cents
    values  for kind only: (raw value, one of the log's kinds) pairs; empty: the raw values are those, in any case
    """

    column: str | None = None
    constant: str | None = None
    format: str | None = None
    zone: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    scale: Decimal | None = None


@dataclass(frozen=True)
class DeliveryDay:
    """The day that a raw file's path names, and which delivery day that is.

    pattern   regular expression with one group, on the path below location: a day like 2011-09-06
    zone      whose day it is: an event after its end there is rejected. None: the shop's day, and an event of the day
              after the delivery day is taken, too
    lag_days  the delivery day is the day in the path less so many: 1 where a file brings the events of the day before,
              -6 where a week's file is named by the week's first day
    """

    pattern: str
    zone: str | None = None
    lag_days: int = 0


@dataclass(frozen=True)
class Rate:
    """What one unit of a foreign currency is worth in the shop's, from a day on (None: always)."""

    currency: str
    rate: Decimal
    first_day: date | None = None


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
    numbers           one of NUMBERS; None: plain ones like 1234.56
    plausible_amount  purchases: the most that a line may be worth; None: what follows from the shop's own lines
    rating_range      the lowest and the highest rating that the shop allows
    layouts           other layouts of files; a file has the first whose columns it all has, the source's own before
    max_refused_share of the records of a delivery day, more in files that are refused stop the run; 1: never
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
    layouts: tuple[Layout, ...] = ()
    max_refused_share: float = 0.2

    def folder(self, home: Path) -> str:
        """The folder of the raw files, a path or a URL."""
        return self.location.replace("{home}", str(home))

    @property
    def order_columns(self) -> tuple[str, ...]:
        """The raw columns in which the lines of an order agree; none where the shop does not say."""
        event_id = self.columns.get("event_id")
        return self.event_key or ((event_id.column,) if event_id and event_id.column else ())

    @property
    def needed_columns(self) -> set[str]:
        """The raw columns without which no record counts."""
        names = LOGS[self.log].needed if self.log in LOGS else ("customer_id",)
        mapped = (self.columns[name].column for name in names if name in self.columns)
        return {column for column in mapped if column is not None}

    @cached_property
    def raw_columns(self) -> tuple[str, ...]:
        """Every raw column that the mapping looks at, in a fixed order."""
        names = {m.column for m in self.columns.values() if m.column}
        names |= {*self.event_key, *self.carry_down} | {c.column for c in (*self.returns, *self.only, *self.others)}
        return tuple(sorted(names | {r.condition.column for r in self.rejections}))


@dataclass(frozen=True)
class Bands:
    """A customer is in the highest band whose threshold the primary probability reaches."""

    high: float = 0.7
    medium: float = 0.4

    def of(self, probability: float) -> str:
        if probability >= self.high:
            return "high"
        return "medium" if probability >= self.medium else "low"


@dataclass(frozen=True)
class Schedule:
    """How Airflow runs the shop's nights and trainings. Hours of a night count from the end of its day.

    night_at        when the night begins, on the shop's clock; None: at two, or at three where clocks change at two
    first_night     from this day on every night is owed, so missed ones are made up; None: only the newest is due
    wait_hours      so long the day's files are waited for; by default two hours of the night
    poll_seconds    how often somebody looks for them
    due_hours       by then the scores are to be in the warehouse, or an alert is sent; by default four hours later
    auto_promote    a model that the gate lets pass scores without a person's approval
    approval_hours  so long a person may think about a model; then it is rejected
    """

    night_at: time | None = None
    first_night: date | None = None
    wait_hours: float = 4
    poll_seconds: float = 60
    due_hours: float = 6
    auto_promote: bool = False
    approval_hours: float = 72


@dataclass(frozen=True)
class Contact:
    """What it takes and brings to contact a customer.

    capacity_per_night  so many can be contacted after a night
    cost                of one contact, in shop currency
    success_rate        of those who would leave and are contacted so many stay
    margin              the part of their spend that is earned
    control_share       so many of those worth contacting are never contacted, to measure what contacts bring
    rest_days           nobody is listed again sooner; None: the primary horizon
    log                 the files that say who was really contacted; None: nothing says it
    log_since           the first day of which they say it; None: that of the first contact
    """

    capacity_per_night: int
    cost: float
    success_rate: float
    margin: float
    control_share: float = 0.1
    rest_days: int | None = None
    log: Source | None = None
    log_since: date | None = None


@dataclass(frozen=True)
class Shop:
    name: str
    time_zone: str
    currency: str
    sources: Mapping[str, Source]
    title: str = ""
    language: str = "en"
    churn: ChurnDefinition = field(default_factory=ChurnDefinition)
    bands: Bands = field(default_factory=Bands)
    end_date: date | None = None
    closed_days: tuple[str | date, ...] = ()
    rates: tuple[Rate, ...] = ()
    merged_customers: str | None = None
    customer_ids: CustomerIds = field(default_factory=CustomerIds)
    model: Mapping[str, object] = field(default_factory=dict)
    schedule: Schedule = field(default_factory=Schedule)
    contact: Contact | None = None
    path: Path = Path("shop.toml")
    content_hash: str = ""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def is_closed(self, day: date) -> bool:
        """Whether nothing is expected of this day: closed_days has its weekday or the day itself."""
        return day in self.closed_days or WEEKDAYS[day.weekday()] in self.closed_days

    @property
    def needed_log(self) -> str:
        """The log without which nobody can be scored."""
        return ACTIVITY_LOGS[self.churn.activity]

    @property
    def mapped_columns(self) -> dict[str, tuple[str, ...]]:
        """The canonical columns this shop has, by log: what decides which features exist."""
        return {log: tuple(source.columns) for log, source in self.sources.items()}
