"""The fast path of clean: records that are clean beyond doubt are typed by Arrow in the pass that reads them.

Nearly all records of a log are written plainly: a known word, a few digits, a time on a day without a clock change.
They need not cross into the JVM and back. mapping.py and judging.py say what is right; this module says it again only
for values that leave no room for doubt, and leaves every other record to them. Its test holds both equal. A log that
has a rule of another kind than those here has no fast path. Pure, no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.cleaning.browses import MOST_SECONDS
from spark_jobs.cleaning.mapping import FIRST_INSTANT_S, KEPT_TEXTS, NUL
from spark_jobs.cleaning.purchases import MOST_AMOUNT, MOST_QUANTITY
from spark_jobs.cleaning.repeats import mark_of
from spark_jobs.contract.shop.model import KINDS, Condition, Source
from spark_jobs.contract.tables import EVENTS
from spark_jobs.raw.reader import raw_column

#: The reasons that no taken record has. Whoever adds one to a log's rules has to say here how it is ruled out.
RULED_OUT = {
    "customer_id_missing", "customer_id_invalid", "value_invalid", "event_at_missing", "event_at_invalid",
    "kind_unknown", "dwell_invalid", "dwell_negative", "dwell_too_large",
    "quantity_invalid", "quantity_zero", "quantity_negative", "quantity_too_large", "price_invalid", "price_negative",
    "amount_too_large", "amount_implausible", "currency_unknown", "decimal_comma",
}  # fmt: skip
LOGS = ("purchases", "browses")  # reviews have a text to be understood
COMPARED = 38, 6  # precision and scale of numbers in conditions
TESTS: dict[str, Callable[[pa.Array, object], pa.Array]] = {
    "equals": pc.equal,
    "in": lambda text, values: pc.is_in(text, pa.array(values, pa.string())),
    "starts_with": pc.starts_with,
    "is_empty": lambda text, is_wanted: text.is_null() if is_wanted else text.is_valid(),
    "below": lambda text, value: pc.less(_decimals(text, *COMPARED), _operand(value)),
    "above": lambda text, value: pc.greater(_decimals(text, *COMPARED), _operand(value)),
}
DAY_US = 86_400_000_000
#: The most digits, and the unit in microseconds.
EPOCHS = {"epoch_s": (10, 1_000_000), "epoch_ms": (13, 1000), "epoch_us": (16, 1)}
#: An event of so many days after its file's delivery day is taken, where shop.toml does not say whose day that is.
GRACE_DAYS = 1
_DAY = "(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_CLOCK = "(?P<h>[01][0-9]|2[0-3]):(?P<m>[0-5][0-9])"
_SECONDS = ":(?P<s>[0-5][0-9])"
TIMES = {
    None: rf"^{_DAY}[ T]{_CLOCK}(?:{_SECONDS}(?:\.(?P<fraction>[0-9]{{1,6}}))?(?P<utc>Z?))?$",
    "yyyy-MM-dd HH:mm:ss": rf"^{_DAY} {_CLOCK}{_SECONDS}(?P<fraction>)(?P<utc>)$",
}


@dataclass(frozen=True, eq=False)
class Days:
    """Consecutive days of a time zone. starts: their first instants, then the end of the last, in microseconds UTC."""

    first: date
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def texts(self) -> pa.Array:
        return pa.array([(self.first + timedelta(number)).isoformat() for number in range(len(self))])

    @property
    def first_epoch_day(self) -> int:
        return (self.first - date(1970, 1, 1)).days

    def find(self, instants: np.ndarray) -> np.ndarray:
        """The place of the day of each instant; one that has no day has a place that is not plain."""
        return np.searchsorted(self.starts, instants, side="right") - 1

    def are_plain(self, places: np.ndarray) -> np.ndarray:
        """Which places are those of days on which no clock is changed."""
        is_plain = np.diff(self.starts, append=self.starts[-1]) == DAY_US
        return (places >= 0) & is_plain[places]


@dataclass(frozen=True, eq=False)
class FastPath:
    """Takes what is clean beyond doubt out of the records of one log.

    delivered_on: the days of the deliveries that may be looked at. days: those of the shop's zone; told_days: of the
    zone in which times without an offset are meant.
    """

    source: Source
    currency: str
    delivered_on: Mapping[str, date]
    days: Days
    told_days: Days

    @staticmethod
    def can_take(source: Source, reasons: set[str]) -> bool:
        """Whether all rules of the log are known here. reasons: those that it may reject a readable record for."""
        conditions = (*source.only, *source.returns, *(rule.condition for rule in source.rejections))
        event_at = source.columns["event_at"]
        return (
            source.log in LOGS
            and reasons <= RULED_OUT | {rule.reason for rule in source.rejections}
            and all(map(_is_known, conditions))
            and (event_at.format in EPOCHS or event_at.format in TIMES)
            and "amount" not in source.columns
            and source.numbers is None
            and all(mapping.scale is None for mapping in source.columns.values())
            and source.max_events_per_hour is None
        )

    def take(self, batch: pa.RecordBatch) -> tuple[pa.Array, pa.RecordBatch]:
        """Which records are taken, and the events they are: the log's columns and raw_customer_id.

        batch: raw.record_schema, records of one delivery.
        """
        delivered_on = self.delivered_on.get(batch["delivery_id"][0].as_py()) if len(batch) else None
        if delivered_on is None:
            return pa.repeat(False, len(batch)), batch.slice(0, 0)
        records = _Records(batch, self.source)
        columns = {
            "event_id": pc.coalesce(records.text("event_id"), records.hash()),
            **self._type_time(records, delivered_on),
            **(_type_purchase(records, self.currency) if self.source.log == "purchases" else _type_browse(records)),
            "delivery_day": pa.repeat(pa.scalar(delivered_on), len(batch)),
            "raw_customer_id": records.text("customer_id"),
        }
        names = [*EVENTS[self.source.log].column_names, "raw_customer_id"]
        arrays = [columns[name] if name in columns else records.column(name) for name in names]
        is_taken = pc.fill_null(reduce(pc.and_, records.required), False)
        return is_taken, pa.RecordBatch.from_arrays(arrays, names).filter(is_taken)

    def _type_time(self, records: _Records, delivered_on: date) -> dict[str, pa.Array]:
        text, pattern = records.text("event_at"), self.source.columns["event_at"].format
        instants, is_known = _read_epochs(text, *EPOCHS[pattern]) if pattern in EPOCHS else self._read_times(text)
        places = self.days.find(instants)
        grace_days = GRACE_DAYS if self.source.delivery_day.zone is None else 0
        is_delivered = places <= (delivered_on - self.days.first).days + grace_days
        is_plausible = instants >= FIRST_INSTANT_S * 1_000_000
        records.require(pa.array(is_known & is_delivered & is_plausible & self.days.are_plain(places)))
        event_day = (places + self.days.first_epoch_day).astype(np.int32)
        return {
            "event_at": pa.array(instants).cast(pa.timestamp("us", "UTC")),
            "event_day": pa.array(event_day).cast(pa.date32()),
        }

    def _read_times(self, text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """The instants of times, in microseconds UTC, and whether they are sure."""
        pattern = TIMES[self.source.columns["event_at"].format]
        parts = dict(zip(re.compile(pattern).groupindex, pc.extract_regex(text, pattern).flatten(), strict=True))
        places = pc.fill_null(pc.index_in(parts["day"], self.told_days.texts), -1).to_numpy()
        hours, minutes, seconds = (_integers(_or_zero(parts[name])) for name in "hms")
        microseconds = _integers(pc.utf8_rpad(_or_zero(parts["fraction"]), 6, "0"))
        of_day = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + microseconds
        is_utc = pc.fill_null(pc.equal(parts["utc"], "Z"), False).to_numpy(zero_copy_only=False)
        utc_starts = (places.astype(np.int64) + self.told_days.first_epoch_day) * DAY_US
        is_known = np.where(is_utc, places >= 0, self.told_days.are_plain(places))
        return np.where(is_utc, utc_starts, self.told_days.starts[places]) + of_day, is_known


class _Records:
    """A batch of the reader's, and what each of its records must fulfil to be taken."""

    def __init__(self, batch: pa.RecordBatch, source: Source):
        self.batch, self.source = batch, source
        self.required = [batch["fault"].is_null(), batch["customer_id"].is_valid()]
        for name in KEPT_TEXTS:
            if name in source.columns:
                self.require(_is_storable(self.text(name), KEPT_TEXTS[name]))
        for rule in source.rejections:
            self.require(pc.invert(self.meets(rule.condition)))
        if source.only:
            self.require(reduce(pc.or_, map(self.meets, source.only)))

    def require(self, is_met: pa.Array) -> None:
        """Takes only the records of which this is true."""
        self.required.append(pc.fill_null(is_met, False))

    def column(self, name: str) -> pa.Array:
        """A column of the log that the reader gives, or that is the raw text."""
        return self.batch[name] if name in self.batch.schema.names else self.text(name)

    def text(self, name: str) -> pa.Array:
        """The raw text of a column of the log, like mapping.mapped_text."""
        mapping = self.source.columns.get(name)
        if mapping is not None and mapping.column is not None:
            return self.batch[raw_column(self.source, mapping.column)]
        return pa.repeat(pa.scalar(mapping and mapping.constant, pa.string()), len(self.batch))

    def meets(self, condition: Condition) -> pa.Array:
        """Whether each record meets the condition; never null."""
        text = self.batch[raw_column(self.source, condition.column)]
        if condition.test in ("below", "above"):  # a text that is not plainly a number may be one
            self.require(pc.or_(text.is_null(), _decimals(text, *COMPARED).is_valid()))
        return pc.fill_null(TESTS[condition.test](text, condition.value), False)

    def hash(self) -> pa.Array:
        """The id of a record that has none."""
        return pc.binary_join_element_wise(mark_of(self.source), self.batch["record_hash"], "")

    def kind(self) -> pa.Array:
        """What kind of event each is, one of KINDS."""
        mapping, kinds = self.source.columns.get("kind"), KINDS[self.source.log]
        pairs = (mapping and mapping.values) or [(kind, kind) for kind in kinds]
        told = self.text("kind") if mapping else pa.repeat(kinds[0], len(self.batch))
        raw_values, words = (pa.array(of, pa.string()) for of in zip(*pairs, strict=True))
        kind = words.take(pc.index_in(told, raw_values))
        for condition in self.source.returns:
            kind = pc.if_else(self.meets(condition), "return", kind)
        self.require(pc.is_in(kind, pa.array(kinds)))
        return kind

    def number(self, name: str) -> pa.Array:
        """The decimals of a column of the log; null where the text is not plainly one."""
        precision, scale = map(int, re.findall("[0-9]+", EVENTS[self.source.log].column(name).type))
        return _decimals(self.text(name), precision, scale)


def _type_browse(records: _Records) -> dict[str, pa.Array]:
    seconds = records.number("dwell_seconds")
    is_plausible = pc.and_(pc.greater_equal(seconds, 0), pc.less(seconds, pa.scalar(MOST_SECONDS)))
    records.require(pc.if_else(records.text("dwell_seconds").is_null(), True, is_plausible))
    return {"kind": records.kind(), "dwell_seconds": seconds}


def _type_purchase(records: _Records, own_currency: str) -> dict[str, pa.Array]:
    kind, price = records.kind(), records.number("unit_price")
    one = pa.repeat(pa.scalar("1.000"), len(kind)).cast(pa.decimal128(18, 3))
    told = records.number("quantity") if "quantity" in records.source.columns else one
    is_return = pc.equal(kind, "return")
    quantity, price = (pc.if_else(is_return, pc.abs(given), given) for given in (told, price))
    currency = pc.ascii_upper(pc.coalesce(records.text("currency"), own_currency))
    amount = _multiply(quantity, price)
    for is_met in (
        pc.and_(pc.greater(quantity, 0), pc.less(quantity, pa.scalar(MOST_QUANTITY))),
        pc.and_(pc.greater_equal(price, 0), amount.is_valid()),
        pc.equal(currency, own_currency),
        pc.less_equal(amount, pa.scalar(records.source.plausible_amount or MOST_AMOUNT)),
    ):
        records.require(is_met)
    return {"kind": kind, "quantity": quantity, "unit_price": price, "amount": amount, "currency": currency}


def _multiply(quantity: pa.Array, price: pa.Array) -> pa.Array:
    """The money of each line, rounded half up to cents; null where it is too much."""
    exact = pc.multiply(quantity, price)
    fitting = pc.if_else(pc.less(pc.abs(exact), pa.scalar(MOST_AMOUNT - 1)), exact, None)
    return pc.round(fitting, 2, "half_towards_infinity").cast(pa.decimal128(18, 2))


def _is_storable(text: pa.Array, most_bytes: int) -> pa.Array:
    is_unfit = pc.or_(pc.match_substring(text, NUL), pc.greater(pc.binary_length(text), most_bytes))
    return pc.invert(pc.fill_null(is_unfit, False))


def _read_epochs(text: pa.Array, digits: int, unit_us: int) -> tuple[np.ndarray, np.ndarray]:
    """The instants of epochs, in microseconds UTC, and whether they are sure."""
    is_plain = pc.fill_null(pc.match_substring_regex(text, f"^[0-9]{{1,{digits}}}$"), False)
    return _integers(pc.if_else(is_plain, text, "0")) * unit_us, is_plain.to_numpy(zero_copy_only=False)


def _decimals(text: pa.Array, precision: int, scale: int) -> pa.Array:
    """The numbers; null where the text is not plainly one that needs no rounding."""
    is_plain = pc.match_substring_regex(text, rf"^-?[0-9]{{1,{precision - scale}}}(\.[0-9]{{1,{scale}}})?$")
    return pc.if_else(is_plain, text, None).cast(pa.decimal128(precision, scale))


def _is_known(condition: Condition) -> bool:
    is_number = condition.test in ("below", "above")
    return condition.test in TESTS and (not is_number or _operand(condition.value).is_valid)


def _operand(value: object) -> pa.Scalar:
    """The number that a condition compares with; null where it would have to be rounded."""
    return _decimals(pa.array([str(value)]), *COMPARED)[0]


def _or_zero(digits: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(pc.equal(digits, ""), True), "0", digits)


def _integers(digits: pa.Array) -> np.ndarray:
    return digits.cast(pa.int64()).to_numpy()
