"""A shop as its shop.toml describes it; contract/shop/file.py reads the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from spark_jobs.contract.customer_ids import CustomerIds
from spark_jobs.contract.measures import ACTIVITY_LOGS
from spark_jobs.contract.shop.source import Source
from spark_jobs.contract.windows import ChurnDefinition

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Rate:
    """What one unit of a foreign currency is worth in the shop's, from a day on (None: always)."""

    currency: str
    rate: Decimal
    first_day: date | None = None


@dataclass(frozen=True)
class Bands:
    """A customer is in the highest band whose threshold the primary probability reaches."""

    high: float = 0.7
    medium: float = 0.4

    def band_of(self, probability: float) -> str:
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
