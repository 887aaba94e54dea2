"""Reads and validates shop.toml, the one file that onboards a shop.

A faulty file raises ShopFileError with all its faults at once, each with key, expected, found, and the nearest name
where a name was probably misspelt.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from spark_jobs.contract.errors import ShopFileError
from spark_jobs.contract.features import ACTIVITY_MEASURES
from spark_jobs.contract.windows import ChurnDefinition

#: Canonical columns that a source maps, by log: name -> required.
CANONICAL = {
    "purchases": {
        "event_id": False, "customer_id": True, "event_at": True, "product_id": False, "category": False,
        "quantity": False, "unit_price": False, "amount": False, "currency": False, "kind": False,
    },
    "browses": {
        "event_id": False, "customer_id": True, "event_at": True, "kind": False, "product_id": False,
        "category": False, "session_id": False, "dwell_seconds": False,
    },
    "reviews": {
        "event_id": False, "customer_id": True, "event_at": True, "product_id": False, "rating": False, "text": False,
    },
}  # fmt: skip
#: Of each of these groups a log maps exactly one or, where it says so, at least one.
ALTERNATIVES = {
    "purchases": (("unit_price", "amount"), "unit_price or amount, the price of the whole line, and not both", 1),
    "reviews": (("rating", "text"), "rating, text or both", 2),
}
KINDS = {"purchases": ("sale", "return"), "browses": ("view", "search", "cart_add", "cart_remove")}
FORMATS = ("csv", "jsonl", "parquet")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TESTS = ("equals", "in", "starts_with", "matches", "below", "above", "is_empty")


@dataclass(frozen=True)
class Condition:
    """One test on one raw column: `test` is one of TESTS and `value` its operand."""

    column: str
    test: str
    value: object


@dataclass(frozen=True)
class Rejection:
    """Records that meet `condition` are quarantined under this reason code."""

    reason: str
    condition: Condition


@dataclass(frozen=True)
class ColumnMapping:
    """Where a canonical column comes from: a raw column or, for every record alike, a constant.

    format  for event_at only: a Spark datetime pattern, epoch_s or epoch_ms; None parses ISO 8601
    zone    for event_at only: the zone of times without an offset; None is the shop's
    values  for kind only: (raw value, one of KINDS) pairs; empty: the raw values are those, in any case
    """

    column: str | None = None
    constant: str | None = None
    format: str | None = None
    zone: str | None = None
    values: tuple[tuple[str, str], ...] = ()


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
class Source:
    """One log's raw files and their mapping.

    location          folder of the raw files; {home} stands for CHURN_HOME
    files             glob below it
    delivery_day      regular expression with one group, on the path below location; None: a first dump
    event_key         raw columns that distinguish records beside the mapped ones
    exact_duplicates  keep: equal records of one file are several events; drop: they are one
    returns           a record that meets any of these is a return, its quantity taken as absolute
    only              the records of this log in files that hold several: those that meet any of these; empty: all
    others            of a file that several logs read, the tests by which the logs after this one choose theirs
    leaves_rest       whether an earlier log reads the same files, and sees to records that nobody chooses
    max_events_per_hour  a customer with more in any hour of one delivery is a bot
    rating_range      the lowest and the highest rating that the shop allows
    """

    log: str
    location: str
    files: str
    format: str
    columns: Mapping[str, ColumnMapping]
    delivery_day: str | None = None
    event_key: tuple[str, ...] = ()
    exact_duplicates: str = "keep"
    max_quarantined_share: float = 0.2
    delimiter: str = ","
    encoding: str = "utf-8"
    returns: tuple[Condition, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    only: tuple[Condition, ...] = ()
    others: tuple[Condition, ...] = ()
    leaves_rest: bool = False
    max_events_per_hour: int | None = None
    rating_range: tuple[float, float] = (1.0, 5.0)
    limits: Limits = Limits()

    def folder(self, home: Path) -> str:
        """The folder of the raw files, a path or a URL."""
        return self.location.replace("{home}", str(home))

    @cached_property
    def raw_columns(self) -> tuple[str, ...]:
        """Every raw column that the mapping looks at, in a fixed order."""
        names = {m.column for m in self.columns.values() if m.column}
        names |= set(self.event_key) | {c.column for c in (*self.returns, *self.only, *self.others)}
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
class Shop:
    name: str
    time_zone: str
    currency: str
    sources: Mapping[str, Source]
    title: str = ""
    churn: ChurnDefinition = field(default_factory=ChurnDefinition)
    bands: Bands = field(default_factory=Bands)
    end_date: date | None = None
    closed_days: tuple[str | date, ...] = ()
    rates: tuple[Rate, ...] = ()
    merged_customers: str | None = None
    model: Mapping[str, object] = field(default_factory=dict)
    path: Path = Path("shop.toml")
    content_hash: str = ""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def is_closed(self, day: date) -> bool:
        """Whether nothing is expected of this day: closed_days has its weekday or the day itself."""
        return day in self.closed_days or WEEKDAYS[day.weekday()] in self.closed_days

    @property
    def mapped_columns(self) -> dict[str, tuple[str, ...]]:
        """The canonical columns this shop has, by log: what decides which features exist."""
        return {log: tuple(source.columns) for log, source in self.sources.items()}


def load_shop(path: str | Path) -> Shop:
    """The shop of this file. Raises ShopFileError with every fault found."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ShopFileError(f"{path}: cannot be read ({error.strerror}); give SHOP=path/to/shop.toml") from None
    try:
        raw = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ShopFileError(f"{path}: not valid TOML: {error}") from None
    faults = _Faults()
    shop = _read_shop(_Section(raw, "", faults), path.resolve(), sha256(content).hexdigest())
    if faults.lines:
        count = f"{len(faults.lines)} fault" + ("s" if len(faults.lines) > 1 else "")
        raise ShopFileError("\n  ".join([f"{path}: {count}", *faults.lines]))
    return shop


class _Faults:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, key: str, expected: str, found: object, hint: str = "") -> None:
        self.lines.append(f"{key}: expected {expected}, found {_show(found)}{hint}")


_MISSING = object()


def _show(value: object) -> str:
    return "nothing" if value is _MISSING else repr(value)


def _nearest(name: str, names: object) -> str:
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


class _Section:
    """A TOML table being read: every `take` checks one key, and `done` complains about what nobody took."""

    def __init__(self, raw: object, key: str, faults: _Faults):
        self.key, self.faults, self.taken = key, faults, set()
        if not isinstance(raw, dict):
            faults.add(key, "a table", raw)
            raw = {}
        self.raw: dict = raw

    def name_of(self, key: str) -> str:
        return f"{self.key}.{key}" if self.key else key

    def fault(self, key: str, expected: str, hint: str = "") -> None:
        self.faults.add(self.name_of(key), expected, self.raw.get(key, _MISSING), hint)

    def take(self, key: str, expected: str, fits: Callable[[object], bool], default: object = _MISSING):
        self.taken.add(key)
        if key not in self.raw and default is not _MISSING:
            return default
        value = self.raw.get(key, _MISSING)
        if value is _MISSING or not fits(value):
            self.fault(key, expected)
            return None if default is _MISSING else default
        return value

    def text(self, key: str, default: object = _MISSING):
        return self.take(key, "a text", _is_text, default)

    def choice(self, key: str, choices: tuple[str, ...], default: object = _MISSING):
        self.taken.add(key)
        value = self.raw.get(key, default)
        if value not in choices:
            hint = _nearest(value, choices) if isinstance(value, str) else ""
            self.fault(key, "one of " + ", ".join(choices), hint)
        return value

    def share(self, key: str, default: float) -> float:
        return float(self.take(key, "a number from 0 to 1", lambda v: _is_number(v) and 0 <= v <= 1, default))

    def section(self, key: str) -> _Section:
        self.taken.add(key)
        return _Section(self.raw.get(key, {}), self.name_of(key), self.faults)

    def sections(self, key: str) -> list[_Section]:
        items = self.take(key, "a list of tables", lambda v: isinstance(v, list), [])
        return [_Section(item, f"{self.name_of(key)}[{n}]", self.faults) for n, item in enumerate(items)]

    def done(self, known: object = ()) -> None:
        names = set(known) | self.taken
        for key in self.raw:
            if key not in names:
                self.faults.add(self.name_of(key), "no such key", self.raw[key], _nearest(key, names))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_day_count(value: object) -> bool:
    return _is_count(value) and value <= 3650


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(_is_text(v) for v in value)


def _read_shop(top: _Section, path: Path, content_hash: str) -> Shop:
    name = top.take("name", "a name of a-z, 0-9 and _, starting with a letter, at most 40 long",
                    lambda v: _is_text(v) and re.fullmatch(r"[a-z][a-z0-9_]{0,39}", v) is not None)  # fmt: skip
    time_zone = top.text("time_zone")
    if time_zone and time_zone not in available_timezones():
        top.fault("time_zone", "a time zone like Europe/London", _nearest(time_zone, available_timezones()))
    currency = top.take("currency", "a currency code like GBP",
                        lambda v: _is_text(v) and re.fullmatch("[A-Z]{3}", v) is not None)  # fmt: skip
    shop = Shop(
        name=name or "",
        time_zone=time_zone or "UTC",
        currency=currency or "",
        title=top.text("title", name or ""),
        end_date=top.take("end_date", "a day like 2011-09-06", lambda v: type(v) is date, None),
        closed_days=tuple(_read_closed_days(top)),
        rates=tuple(_read_rates(top.section("rates"))),
        merged_customers=_read_location(top, path.parent, "merged_customers", None),
        churn=_read_churn(top.section("churn")),
        bands=_read_bands(top.section("bands")),
        model=dict(top.take("model", "a table of model settings", lambda v: isinstance(v, dict), {})),
        sources=_read_sources(top.section("sources"), path.parent),
        path=path,
        content_hash=content_hash,
    )
    if shop.churn.activity == "visit" and "browses" not in shop.sources:
        top.faults.add("churn.activity", "a source sources.browses, for visits to be seen", "none")
    if shop.churn.activity == "purchase" and shop.sources and "purchases" not in shop.sources:
        top.faults.add("churn.activity", "visit, since there is no sources.purchases", shop.churn.activity)
    top.done()
    return shop


def _read_rates(section: _Section) -> list[Rate]:
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


def _read_rate(section: _Section, key: str) -> Decimal:
    """Exact: a text, or a number as it is written."""
    value = section.take(key, 'a positive number, e.g. "0.8512"', _is_positive_decimal, 1)
    return Decimal(str(value))


def _is_positive_decimal(value: object) -> bool:
    try:
        return not isinstance(value, bool) and 0 < Decimal(str(value)) < 10**9
    except InvalidOperation:
        return False


def _read_closed_days(top: _Section) -> list[str | date]:
    expected = 'a list of weekdays like "sunday" and days like 2026-12-25'
    days = top.take("closed_days", expected, lambda v: isinstance(v, list), [])
    for day in days:
        if type(day) is not date and day not in WEEKDAYS:
            top.fault("closed_days", expected, _nearest(day.lower(), WEEKDAYS) if isinstance(day, str) else "")
    return days


def _read_churn(section: _Section) -> ChurnDefinition:
    horizons = section.take(
        "horizons_days", "a list of ascending day counts like [30, 60, 90]",
        lambda v: isinstance(v, list) and v and all(map(_is_day_count, v)) and sorted(set(v)) == v, [30, 60, 90],
    )  # fmt: skip
    default_primary = 60 if 60 in horizons else horizons[len(horizons) // 2]
    primary = section.take("primary_horizon_days", f"one of {horizons}", lambda v: v in horizons, default_primary)
    eligible = section.take("eligible_within_days", "a day count from 1 to 3650", _is_day_count, max(horizons))
    activity = section.choice("activity", tuple(ACTIVITY_MEASURES), "purchase")
    section.done()
    return ChurnDefinition(tuple(horizons), primary, eligible, activity)


def _read_bands(section: _Section) -> Bands:
    bands = Bands(section.share("high", Bands.high), section.share("medium", Bands.medium))
    if bands.medium > bands.high:
        section.fault("medium", f"at most high, {bands.high}")
    section.done()
    return bands


def _read_sources(section: _Section, folder: Path) -> dict[str, Source]:
    sources = {}
    for log in section.raw:
        if log in CANONICAL:
            sources[log] = _read_source(section.section(log), log, folder)
    if not section.raw:
        section.faults.add("sources", "at least a table sources.purchases", _MISSING)
    section.done(CANONICAL)
    return _share_files(sources)


def _share_files(sources: dict[str, Source]) -> dict[str, Source]:
    """The sources, each with what it has to know of the others that read the same files."""
    ordered = {log: sources[log] for log in CANONICAL if log in sources}
    for log, source in ordered.items():
        fellows = [s for s in ordered.values() if s is not source and _files_of(s) == _files_of(source)]
        if fellows:
            names = list(ordered)
            is_first = all(names.index(log) < names.index(fellow.log) for fellow in fellows)
            others = tuple(c for fellow in fellows for c in fellow.only) if is_first else ()
            ordered[log] = replace(source, others=others, leaves_rest=not is_first)
    return ordered


def _files_of(source: Source) -> tuple[str, str]:
    return source.location, source.files


def _read_source(section: _Section, log: str, folder: Path) -> Source:
    pattern = section.text("delivery_day", None)
    if pattern is not None and not _has_one_group(pattern):
        section.fault("delivery_day", "a regular expression with one group, like (\\d{4}-\\d{2}-\\d{2})")
    source = Source(
        log=log,
        location=_read_location(section, folder),
        files=section.text("files"),
        format=section.choice("format", FORMATS),
        columns=_read_columns(section.section("columns"), log),
        delivery_day=pattern,
        event_key=tuple(section.take("event_key", "a list of raw column names", _is_texts, [])),
        exact_duplicates=section.choice("exact_duplicates", ("keep", "drop"), "keep"),
        max_quarantined_share=section.share("max_quarantined_share", Source.max_quarantined_share),
        delimiter=section.take("delimiter", "one character", lambda v: _is_text(v) and len(v) == 1, ","),
        encoding=_read_encoding(section),
        returns=tuple(_read_condition(c) for c in section.sections("returns")),
        rejections=tuple(_read_rejection(r) for r in section.sections("reject")),
        only=tuple(_read_condition(c) for c in section.sections("only")),
        max_events_per_hour=_read_bots(section.section("bots")),
        limits=_read_limits(section.section("limits")),
        rating_range=_read_rating_range(section) if log == "reviews" else Source.rating_range,
    )
    section.done()
    return source


def _read_limits(section: _Section) -> Limits:
    names = [limit.name for limit in fields(Limits)]
    chosen = {name: section.take(name, "a whole number above 0", _is_count, getattr(Limits, name)) for name in names}
    section.done()
    return Limits(**chosen)


def _read_bots(section: _Section) -> int | None:
    limit = section.take("max_events_per_hour", "a whole number above 0", _is_count, None)
    section.done()
    return limit


def _read_rating_range(section: _Section) -> tuple[float, float]:
    lowest, highest = section.take(
        "rating_range", "a list [lowest, highest]",
        lambda v: isinstance(v, list) and len(v) == 2 and all(map(_is_number, v)) and v[0] < v[1],
        list(Source.rating_range),
    )  # fmt: skip
    return float(lowest), float(highest)


def _read_location(section: _Section, folder: Path, key: str = "location", default: object = _MISSING) -> str | None:
    """A place; a relative one is meant from shop.toml's folder."""
    location = section.text(key, default)
    if location is None or "://" in location or location.startswith("{home}"):
        return location
    return str((folder / location).resolve())


def _read_encoding(section: _Section) -> str:
    encoding = section.text("encoding", "utf-8")
    try:
        "".encode(encoding)
    except LookupError:
        section.fault("encoding", "an encoding like utf-8 or cp1252")
    return encoding


def _has_one_group(pattern: str) -> bool:
    try:
        return re.compile(pattern).groups == 1
    except re.error:
        return False


def _read_columns(section: _Section, log: str) -> dict[str, ColumnMapping]:
    known = CANONICAL[log]
    columns = {name: _read_mapping(section, name, log) for name in known if name in section.raw}
    for name, required in known.items():
        if required and name not in section.raw:
            section.fault(name, "a raw column name")
    names, expected, most = ALTERNATIVES.get(log, ((), "", 0))
    if names and not 1 <= len(set(names) & set(columns)) <= most:
        section.fault(names[0], expected)
    section.done(known)
    return columns


def _read_mapping(section: _Section, name: str, log: str) -> ColumnMapping:
    section.taken.add(name)
    value = section.raw[name]
    if _is_text(value):
        return ColumnMapping(column=value)
    if not isinstance(value, dict):
        section.fault(name, "a raw column name or a table")
        return ColumnMapping(constant="")
    inner = _Section(value, section.name_of(name), section.faults)
    column, constant = inner.text("column", None), inner.text("constant", None)
    if (column is None) == (constant is None):
        section.fault(name, "either column or constant")
    mapping = ColumnMapping(column, constant)
    if name == "event_at":
        zone = inner.text("zone", None)
        if zone is not None and zone not in available_timezones():
            inner.fault("zone", "a time zone like UTC", _nearest(zone, available_timezones()))
        mapping = ColumnMapping(column, constant, inner.text("format", None), zone)
    if name == "kind":
        mapping = ColumnMapping(column, constant, values=_read_values(inner.section("values"), KINDS[log]))
    inner.done()
    return mapping


def _read_values(section: _Section, kinds: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    for raw_value in section.raw:
        section.choice(raw_value, kinds)
    return tuple(section.raw.items())


def _read_condition(section: _Section) -> Condition:
    column = section.text("column")
    tests = [t for t in TESTS if t in section.raw]
    section.taken.update(tests)
    if len(tests) != 1:
        section.faults.add(section.key, "exactly one of " + ", ".join(TESTS), tests)
        tests = ["equals"]
    test, value = tests[0], section.raw.get(tests[0], "")
    fits = {"in": _is_texts, "below": _is_number, "above": _is_number, "is_empty": lambda v: isinstance(v, bool)}
    if not fits.get(test, lambda v: isinstance(v, str))(value):
        section.fault(test, {"in": "a list of texts", "is_empty": "true or false"}.get(
            test, "a number" if test in ("below", "above") else "a text"))  # fmt: skip
    section.done()
    return Condition(column or "", test, tuple(value) if isinstance(value, list) else value)


def _read_rejection(section: _Section) -> Rejection:
    reason = section.take("reason", "a code of a-z, 0-9 and _",
                          lambda v: _is_text(v) and re.fullmatch("[a-z][a-z0-9_]*", v) is not None)  # fmt: skip
    return Rejection(reason or "", _read_condition(section))
