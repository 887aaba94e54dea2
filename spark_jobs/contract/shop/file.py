"""Reads and validates shop.toml, the one file that onboards a shop.

An invalid file raises ShopFileError with all faults at once: key, expected and found, and the nearest known name if a
name seems misspelt.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date, time
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from spark_jobs.contract.customer_ids import AS_GIVEN, SPELLINGS, CustomerIds
from spark_jobs.contract.errors import ShopFileError
from spark_jobs.contract.measures import ACTIVITY_LOGS
from spark_jobs.contract.reason_words import LANGUAGES
from spark_jobs.contract.shop.model import WEEKDAYS, Bands, Contact, Rate, Schedule, Shop
from spark_jobs.contract.shop.night import DUE_HOURS, USUAL_NIGHT, WAIT_HOURS, comes_once, to_hours
from spark_jobs.contract.shop.sources import read_contact_log, read_sources
from spark_jobs.contract.shop.toml_section import (
    MISSING,
    Faults,
    Section,
    is_clock_time,
    is_count,
    is_day_count,
    is_number,
    is_text,
    is_texts,
    nearest,
    read_location,
    time_zones,
)
from spark_jobs.contract.windows import MOST_UNDONE_DAYS, ChurnDefinition


def load_shop(path: str | Path) -> Shop:
    """The shop in this file. Raises ShopFileError with all faults."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ShopFileError(f"{path}: cannot be read ({error.strerror}); give SHOP=path/to/shop.toml") from None
    try:
        raw = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ShopFileError(f"{path}: not valid TOML: {error}") from None
    faults = Faults()
    shop = _read_shop(Section(raw, "", faults), path.resolve(), sha256(content).hexdigest())
    if faults.lines:
        count = f"{len(faults.lines)} fault" + ("s" if len(faults.lines) > 1 else "")
        raise ShopFileError("\n  ".join([f"{path}: {count}", *faults.lines]))
    return shop


def read_identity(top: Section) -> tuple[str, str, str]:
    """The shop's name, time zone and currency; a fault for each that is invalid."""
    name = top.take("name", "a name of a-z, 0-9 and _, starting with a letter, at most 40 long",
                    lambda v: is_text(v) and re.fullmatch(r"[a-z][a-z0-9_]{0,39}", v) is not None)  # fmt: skip
    time_zone = top.text("time_zone")
    if time_zone and time_zone not in time_zones():
        top.fault("time_zone", "a time zone like Europe/London", nearest(time_zone, time_zones()))
    currency = top.take("currency", "a currency code like GBP",
                        lambda v: is_text(v) and re.fullmatch("[A-Z]{3}", v) is not None)  # fmt: skip
    return name or "", time_zone or "UTC", currency or ""


def _read_shop(top: Section, path: Path, content_hash: str) -> Shop:
    name, time_zone, currency = read_identity(top)
    shop = Shop(
        name=name,
        time_zone=time_zone,
        currency=currency,
        title=top.text("title", name or ""),
        language=top.choice("language", tuple(LANGUAGES), "en"),
        end_date=top.take("end_date", "a day like 2011-09-06", lambda v: type(v) is date, None),
        closed_days=tuple(_read_closed_days(top)),
        rates=tuple(_read_rates(top.section("rates"))),
        merged_customers=read_location(top, path.parent, "merged_customers", None),
        customer_ids=_read_customer_ids(top),
        churn=_read_churn(top.section("churn")),
        bands=_read_bands(top.section("bands")),
        model=dict(top.take("model", "a table of model settings", lambda v: isinstance(v, dict), {})),
        schedule=_read_schedule(top.section("schedule"), time_zone),
        contact=_read_contact(top.section("contact"), path.parent) if "contact" in top.raw else None,
        sources=read_sources(top.section("sources"), path.parent),
        path=path,
        content_hash=content_hash,
    )
    if shop.end_date and shop.schedule.first_night:
        top.faults.add("schedule.first_night", "none, since end_date ends the nights", shop.schedule.first_night)
    if shop.sources and shop.churn.activity in ACTIVITY_LOGS and shop.needed_log not in shop.sources:
        others = [activity for activity, log in ACTIVITY_LOGS.items() if log in shop.sources]
        instead = f"{others[0]}, since there is no" if others else f"for a {shop.churn.activity} to be seen, a source"
        top.faults.add("churn.activity", f"{instead} sources.{shop.needed_log}", shop.churn.activity)
    top.done()
    return shop


def _read_customer_ids(top: Section) -> CustomerIds:
    spelling = top.choice("customer_ids", SPELLINGS, AS_GIVEN)
    no_customer = top.take("no_customer", 'a list of ids like ["guest", "0"]', is_texts, None)
    return CustomerIds(spelling, None if no_customer is None else tuple(no_customer), "customer_ids" in top.raw)


def _read_rates(section: Section) -> list[Rate]:
    """A rate is a number or a list of tables with `from` and `rate`."""
    rates = []
    for currency, value in section.raw.items():
        section.taken.add(currency)
        if re.fullmatch("[A-Z]{3}", currency) is None:
            section.fault(currency, "a currency code like EUR as the key")
        if not isinstance(value, list):
            rates.append(Rate(currency, _read_rate(section, currency)))
            continue
        for dated in section.sections(currency):
            first_day = dated.take("from", "a day like 2011-09-06", lambda v: type(v) is date)
            rates.append(Rate(currency, _read_rate(dated, "rate"), first_day))
            dated.done()
    return rates


def _read_rate(section: Section, key: str) -> Decimal:
    """The exact decimal of a text or a number."""
    value = section.take(key, 'a positive number, e.g. "0.8512"', _is_positive_decimal, 1)
    return Decimal(str(value))


def _is_positive_decimal(value: object) -> bool:
    try:
        return not isinstance(value, bool) and 0 < Decimal(str(value)) < 10**9
    except InvalidOperation:
        return False


def _read_closed_days(top: Section) -> list[str | date]:
    expected = 'a list of weekdays like "sunday" and days like 2026-12-25'
    days = top.take("closed_days", expected, lambda v: isinstance(v, list), [])
    for day in days:
        if type(day) is not date and day not in WEEKDAYS:
            top.fault("closed_days", expected, nearest(day.lower(), WEEKDAYS) if isinstance(day, str) else "")
    return days


def _read_churn(section: Section) -> ChurnDefinition:
    horizons = section.take(
        "horizons_days", "a list of ascending day counts like [30, 60, 90]",
        lambda v: isinstance(v, list) and bool(v) and all(map(is_day_count, v)) and sorted(set(v)) == v, [30, 60, 90],
    )  # fmt: skip
    default_primary = 60 if 60 in horizons else horizons[len(horizons) // 2]
    primary = section.take("primary_horizon_days", f"one of {horizons}", lambda v: v in horizons, default_primary)
    eligible = section.take("eligible_within_days", "a day count from 1 to 3650", is_day_count, max(horizons))
    activity = section.choice("activity", tuple(ACTIVITY_LOGS), "purchase")
    undone = section.take("undone_within_days", f"a day count from 0 to {MOST_UNDONE_DAYS}", _is_undone_days,
                          ChurnDefinition.undone_within_days)  # fmt: skip
    section.done()
    return ChurnDefinition(tuple(horizons), primary, eligible, activity, undone)


def _is_undone_days(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST_UNDONE_DAYS


def _read_bands(section: Section) -> Bands:
    bands = Bands(section.share("high", Bands.high), section.share("medium", Bands.medium))
    if bands.medium > bands.high:
        section.fault("medium", f"at most high, {bands.high}")
    section.done()
    return bands


def _read_schedule(section: Section, time_zone: str | None) -> Schedule:
    night_at = _read_night(section, time_zone)
    begin = to_hours(night_at or USUAL_NIGHT)

    def positive(key: str, default: float | None = None) -> float:
        default = getattr(Schedule, key) if default is None else default
        return section.take(key, "a number above 0", lambda v: is_number(v) and v > 0, default)

    schedule = Schedule(
        night_at=night_at,
        first_night=section.take("first_night", "a day like 2026-11-20", lambda v: type(v) is date, None),
        wait_hours=positive("wait_hours", begin + WAIT_HOURS),
        poll_seconds=positive("poll_seconds"),
        due_hours=positive("due_hours", begin + DUE_HOURS),
        auto_promote=section.take("auto_promote", "true or false", lambda v: isinstance(v, bool), False),
        approval_hours=positive("approval_hours"),
    )
    if night_at and schedule.due_hours <= begin:
        section.fault("due_hours", f"more than the {begin:g} hours from the day's end to night_at")
    section.done()
    return schedule


def _read_night(section: Section, time_zone: str | None) -> time | None:
    text = section.take("night_at", 'a time like "04:30"', is_clock_time, None)
    night_at = time.fromisoformat(text) if text else None
    if night_at and time_zone in time_zones() and not comes_once(night_at, ZoneInfo(time_zone)):
        section.fault("night_at", f"a time that every day in {time_zone} has exactly once")
    return night_at


def _read_contact(section: Section, folder: Path) -> Contact:
    def amount(key: str) -> float:
        return section.take(key, "a number from 0 on", lambda v: is_number(v) and v >= 0)

    def part(key: str, default: object = MISSING) -> float:
        return section.take(key, "a number from 0 to 1", lambda v: is_number(v) and 0 <= v <= 1, default)

    log = section.section("log")
    contact = Contact(
        capacity_per_night=section.take("capacity_per_night", "a count from 1 on", is_count),
        cost=amount("cost"),
        success_rate=part("success_rate"),
        margin=part("margin"),
        control_share=part("control_share", Contact.control_share),
        rest_days=section.take("rest_days", "a day count from 1 to 3650", is_day_count, None),
        log_since=log.take("since", "a day like 2026-11-20", lambda v: type(v) is date, None),
        log=read_contact_log(log, folder) if "log" in section.raw else None,
    )
    section.done()
    return contact
