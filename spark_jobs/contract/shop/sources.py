"""Reads the tables `sources.<log>` and `contact.log` of shop.toml: where raw files are and what their columns mean."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path

from spark_jobs.contract.formats import FORMATS
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.columns import read_columns, read_numbers
from spark_jobs.contract.shop.conditions import read_condition, read_rejection
from spark_jobs.contract.shop.orders import read_spread, read_status
from spark_jobs.contract.shop.path_days import EXPECTED, is_format
from spark_jobs.contract.shop.shape import check_arrays, read_shape
from spark_jobs.contract.shop.source import ColumnMapping, DeliveryDay, Layout, Limits, Source
from spark_jobs.contract.shop.time_columns import read_zone
from spark_jobs.contract.shop.toml_section import (
    MISSING,
    Section,
    is_count,
    is_number,
    is_texts,
    nearest,
    read_location,
)


def read_sources(section: Section, folder: Path) -> dict[str, Source]:
    sources = {}
    for log in section.raw:
        if log in LOGS:
            sources[log] = _read_source(section.section(log), log, folder)
    if not section.raw:
        section.faults.add("sources", "at least a table sources.purchases", MISSING)
    section.done(LOGS)
    return _share_files(sources)


def _share_files(sources: dict[str, Source]) -> dict[str, Source]:
    """The sources, with `others` and `leaves_rest` set for those that read the same files."""
    ordered = {log: sources[log] for log in LOGS if log in sources}
    for log, source in ordered.items():
        sharing = [s for s in ordered.values() if s is not source and _files_of(s) == _files_of(source)]
        if sharing:
            names = list(ordered)
            is_first = all(names.index(log) < names.index(other.log) for other in sharing)
            others = tuple(condition for other in sharing for condition in other.only) if is_first else ()
            ordered[log] = replace(source, others=others, leaves_rest=not is_first)
    return ordered


def _files_of(source: Source) -> tuple[str, str]:
    return source.location, source.files


def _read_source(section: Section, log: str, folder: Path) -> Source:
    own = LOGS[log].settings
    most_quarantined = section.share("max_quarantined_share", Source.max_quarantined_share)
    source = Source(
        log=log,
        location=read_location(section, folder) or "",
        files=section.text("files"),
        format=section.choice("format", FORMATS),
        columns=read_columns(section.section("columns"), log),
        delivery_day=_read_delivery_day(section),
        event_key=tuple(section.take("event_key", "a list of raw column names", is_texts, [])),
        carry_down=tuple(section.take("carry_down", "a list of raw column names", is_texts, [])),
        exact_duplicates=section.choice("exact_duplicates", ("keep", "drop"), "keep"),
        max_quarantined_share=most_quarantined,
        max_refused_share=section.share("max_refused_share", most_quarantined),
        max_conflicting_share=section.share("max_conflicting_share", None),
        returns=tuple(read_condition(c) for c in section.sections("returns")) if "returns" in own else (),
        rejections=tuple(read_rejection(r) for r in section.sections("reject")),
        only=tuple(read_condition(c) for c in section.sections("only")),
        max_events_per_hour=_read_bots(section.section("bots")),
        limits=_read_limits(section.section("limits")),
        numbers=read_numbers(section),
        plausible_amount=_read_plausible_amount(section) if "plausible_amount" in own else None,
        updates=section.choice("updates", ("latest",), None) if "updates" in own and "updates" in section.raw else None,
        snapshots=bool("snapshots" in own and section.take("snapshots", "true or false", _is_bool, False)),
        spread=read_spread(section) if "spread" in own else None,
        status=read_status(section) if "status" in own else None,
        rating_range=_read_rating_range(section) if "rating_range" in own else Source.rating_range,
        **read_shape(section),
    )
    if source.carry_down and not source.order_columns:
        section.fault("carry_down", "event_key to be set too: the columns that identify an order")
    if source.spread and not source.event_key:
        section.fault("spread", "event_key to be set too: the columns that identify an order")
    if source.snapshots and not source.updates:
        section.fault("snapshots", 'updates = "latest" to be set too')
    if source.updates and not source.order_columns:
        keys = "event_id under columns, a number that each event keeps, or event_key, the columns of the order number"
        section.fault("updates", keys)
    if source.updates and source.delivery_day is None:
        section.fault("updates", "delivery_day to be set too: the day in a file's path shows which state is the newest")
    layouts = tuple(_read_layout(one, source) for one in section.sections("layouts"))
    section.done()
    check_arrays(section, source, layouts)
    return replace(source, layouts=layouts)


def _read_layout(section: Section, source: Source) -> Layout:
    """names and absent list raw columns of the mapping; columns that every record needs cannot be absent."""
    names = section.take("names", 'a table like { price = "Preis" }',
                         lambda v: isinstance(v, dict) and is_texts(list(v.values())), {})  # fmt: skip
    absent = section.take("absent", "a list of raw column names", is_texts, [])
    for key, columns in (("names", names), ("absent", absent)):
        for column in columns:
            if column not in source.raw_columns:
                section.faults.add(section.name_of(key), "raw columns that this source maps or tests", column,
                                   nearest(column, source.raw_columns))  # fmt: skip
    for column in absent:
        if column in source.needed_columns or column in names:
            section.faults.add(section.name_of("absent"), "columns without which a record still counts", column)
    section.done()
    return Layout(tuple(names.items()), tuple(absent))


def _read_delivery_day(section: Section) -> DeliveryDay | None:
    """From a regular expression, or a table with `pattern`, `format`, `zone` and `lag_days`."""
    value = section.raw.get("delivery_day")
    inner, key = section, "delivery_day"
    if isinstance(value, dict):
        inner, key = section.section("delivery_day"), "pattern"
    pattern = inner.text(key, None if inner is section else MISSING)
    if pattern is not None and not _has_one_group(pattern):
        inner.fault(key, "a regular expression with one group, like (\\d{4}-\\d{2}-\\d{2})")
    if inner is section:
        return pattern and DeliveryDay(pattern)
    lag_days = inner.take("lag_days", "a whole number from -31 to 31", _is_lag, 0)
    zone = read_zone(inner)
    day_format = inner.take("format", EXPECTED, is_format, None)
    inner.done()
    return DeliveryDay(pattern or "", zone, lag_days, day_format)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_lag(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 31


def read_contact_log(section: Section, folder: Path) -> Source:
    """The log of contacts: who was contacted and when. It has fewer settings than the others and affects no score."""
    columns = section.section("columns")
    source = Source(
        log="contacts",
        location=read_location(section, folder) or "",
        files=section.text("files"),
        format=section.choice("format", FORMATS),
        columns={name: ColumnMapping(columns.text(name)) for name in ("customer_id", "contacted_at")},
        **read_shape(section),
    )
    columns.done()
    section.done()
    return source


def _read_limits(section: Section) -> Limits:
    names = [limit.name for limit in fields(Limits)]
    chosen = {name: section.take(name, "a whole number above 0", is_count, getattr(Limits, name)) for name in names}
    section.done()
    return Limits(**chosen)


def _read_bots(section: Section) -> int | None:
    limit = section.take("max_events_per_hour", "a whole number above 0", is_count, None)
    section.done()
    return limit


def _read_plausible_amount(section: Section) -> Decimal | None:
    expected = 'an amount like 50000, or "any"'
    most = 10**12
    chosen = section.take("plausible_amount", expected,
                          lambda v: v == "any" or (is_number(v) and 0 < v <= most), None)  # fmt: skip
    return None if chosen is None else Decimal(str(most if chosen == "any" else chosen))


def _read_rating_range(section: Section) -> tuple[float, float]:
    lowest, highest = section.take(
        "rating_range", "a list [lowest, highest]",
        lambda v: isinstance(v, list) and len(v) == 2 and all(map(is_number, v)) and v[0] < v[1],
        list(Source.rating_range),
    )  # fmt: skip
    return float(lowest), float(highest)


def _has_one_group(pattern: str) -> bool:
    try:
        return re.compile(pattern).groups == 1
    except re.error:
        return False
