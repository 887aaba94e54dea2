"""The model of shop.toml; contract/shop/file.py reads the file."""

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
    """The value of one unit of a foreign currency in the shop's, from `first_day` on (None: always)."""

    currency: str
    rate: Decimal
    first_day: date | None = None


@dataclass(frozen=True)
class Bands:
    """The least primary probability of each band."""

    high: float = 0.7
    medium: float = 0.4

    def band_of(self, probability: float) -> str:
        if probability >= self.high:
            return "high"
        return "medium" if probability >= self.medium else "low"


@dataclass(frozen=True)
class Schedule:
    """When Airflow runs the shop's nights, and how it promotes models. Hours count from the end of the night's day.

    night_at        local time at which the night starts; None: 02:00, or 03:00 if the zone's clocks change at two
    first_night     missed nights are caught up from this day on; None: only the newest night runs
    wait_hours      how long to wait for the day's files; by default until two hours after the start
    poll_seconds    how often to look for them
    due_hours       when an alert is sent if the scores are not in the warehouse; by default four hours after the start
    auto_promote    whether a model that passes the gate is promoted without approval
    approval_hours  an approval that nobody answers is rejected after this time
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
    """The costs and effects of contacting customers.

    capacity_per_night  the most customers to contact after a night
    cost                the cost of one contact, in shop currency
    success_rate        the share of leaving customers who stay if they are contacted
    margin              the profit margin on their spend
    control_share       the share of customers worth contacting who never are, to measure the effect of contacts
    rest_days           the days before a customer is listed again; None: the primary horizon
    log                 the shop's log of actual contacts; None: it has none
    log_since           the first day that the log covers; None: the day of its first contact
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
        """Whether no files are expected for this day: closed_days has its weekday or the day itself."""
        return day in self.closed_days or WEEKDAYS[day.weekday()] in self.closed_days

    @property
    def needed_log(self) -> str:
        """The log that scoring requires: that of the qualifying activity."""
        return ACTIVITY_LOGS[self.churn.activity]

    @property
    def mapped_columns(self) -> dict[str, tuple[str, ...]]:
        """The canonical columns that the shop maps, by log; they decide which features exist."""
        return {log: tuple(source.columns) for log, source in self.sources.items()}
