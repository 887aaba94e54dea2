"""The parts of a log's declaration. Each file of `logs/` declares one log, and everything else reads it from there.

A column with the same name as an input is typed by `cleaning/plain_columns.py`. All other typing and validation of a
log is in `cleaning/logs/NAME.py`; a log with plain columns only needs no such file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spark_jobs.contract.table import Column

TEXT, NUMBER, TIME, KIND = "text", "number", "time", "kind"
#: The most UTF-8 bytes of a text that is stored unchanged. PostgreSQL cannot index a customer id of 2,704 bytes, and
#: its canonical spelling may be three times as long as the raw one.
MOST_ID_BYTES, MOST_TEXT_BYTES = 512, 4096


@dataclass(frozen=True)
class Input:
    """A canonical column, to which shop.toml maps a raw one.

    type        TEXT, NUMBER, TIME or KIND (one of the log's kinds)
    most_bytes  the most bytes of a text that is stored unchanged; None: it is not stored
    is_scaled   whether shop.toml may give the value of one unit of the number, like 0.01 for cents
    takes_percent  whether it may be given as a percentage: 12.5 % is 0.125
    """

    name: str
    type: str = TEXT
    is_required: bool = False
    most_bytes: int | None = None
    is_scaled: bool = False
    takes_percent: bool = False


#: Every log has these.
SHARED_INPUTS = (
    Input("event_id", most_bytes=MOST_TEXT_BYTES),
    Input("customer_id", is_required=True, most_bytes=MOST_ID_BYTES),
    Input("event_at", TIME, is_required=True),
)
PRODUCT = Input("product_id", most_bytes=MOST_TEXT_BYTES)
CATEGORY = Input("category", most_bytes=MOST_TEXT_BYTES)
CATEGORY_COLUMN = Column("category", "string", "the shop's product category", nullable=True)


@dataclass(frozen=True)
class Alternatives:
    """Inputs of which shop.toml must map at least one and at most `most`. expected: the rule, for an error message."""

    inputs: tuple[str, ...]
    expected: str
    most: int


@dataclass(frozen=True)
class Reason:
    """Why a record is rejected: the meaning of a reason code and what to do about it.

    column: the canonical column whose raw value is shown as an example; None: the whole record.
    is_fault: whether the record or shop.toml is wrong. Other rejections never stop a run, however many there are.
    """

    meaning: str
    remedy: str
    column: str | None = None
    is_fault: bool = True


@dataclass(frozen=True)
class Measure:
    """A fact about a customer's day; measures.py explains how it adds up.

    sql         an aggregate over the log's clean events of one customer, event day and delivery day. For a set: it
                collects the set. "" for the count of a set
    needs       the canonical columns, as log.column, that a shop must map to have this measure
    is_bad_news whether a rise is bad news; for the others a fall is
    is_size     whether it measures the size of orders, which one large order can dominate
    is_in_days  whether reasons count its days instead of its sum: a purchase of five lines is one purchase
    counts      the set of the day whose elements it counts, without those that are in the set `without` by then
    """

    name: str
    log: str
    sql: str
    type: str
    unit: str
    meaning: str
    needs: tuple[str, ...] = ()
    is_bad_news: bool = False
    is_size: bool = False
    is_in_days: bool = False
    counts: str = ""
    without: str = ""

    @property
    def fingerprint(self) -> str:
        """Identifies the formula. Days that were computed with another formula become due."""
        formula = self.sql or f"{self.counts} without {self.without}"
        return f"{self.name} {self.type} {self.log}: {formula}"

    @property
    def is_money(self) -> bool:
        return self.unit == "shop currency"


@dataclass(frozen=True)
class ReasonGroup:
    """How a reason describes a group of inputs (Feature.group).

    form      change: more or less than before; total: the sum so far; mean: the first measure divided by the second or,
              if that is 0, the sum of the third; recency and tenure: sentences of their own
    measures  measures of the series: the reason names the first that the shop has; a mean needs all three
    """

    form: str
    measures: tuple[str, ...] = ()

    @property
    def is_level(self) -> bool:
        """Whether it describes a level, not a change."""
        return self.form in ("recency", "tenure", "total")


@dataclass(frozen=True)
class LogWords:
    """A log's words in one language. nouns: measure -> its name, and the unit that follows its amounts (`{currency}` is
    the shop's). activity: the name of its activity."""

    nouns: Mapping[str, tuple[str, str]]
    activity: str = ""


@dataclass(frozen=True)
class Activity:
    """An activity that a shop may choose as churn.activity: a customer is active on days with this measure above 0."""

    name: str
    measure: str


@dataclass(frozen=True)
class Log:
    """A log, from its raw columns to the words of its reasons.

    order           the order in which logs are cleaned; of several logs that read the same files, the first rejects the
                    records that no log takes
    inputs          the canonical columns besides SHARED_INPUTS
    columns         the columns of its table of clean events besides those that every event has
    key_columns     further key columns, for rows with the same id and day
    kinds           the kinds of its events; the first is the default if shop.toml maps no kind
    sets            measures that do not add up: sets of values per day, united over the deliveries of the day
    set_counts      measures that customer_series counts from the united sets
    settings        the keys of `sources.NAME` that only this log has
    counted_by      the measures that count its records, for the drift check of its volume
    is_daily        whether a day without records means that the shop was quiet on that day
    typical         drift checks by the median of a ratio: description -> (numerator, denominator)
    largest         drift checks by the largest customer: measure -> description
    """

    name: str
    order: int
    grain: str
    inputs: tuple[Input, ...]
    columns: tuple[Column, ...]
    counted_by: tuple[str, ...]
    key_columns: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    alternatives: Alternatives | None = None
    settings: tuple[str, ...] = ()
    rejections: Mapping[str, Reason] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    sets: tuple[Measure, ...] = ()
    set_counts: tuple[Measure, ...] = ()
    activity: Activity | None = None
    reason_groups: Mapping[str, ReasonGroup] = field(default_factory=dict)
    words: Mapping[str, LogWords] = field(default_factory=dict)
    is_daily: bool = True
    typical: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    largest: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """What its clean events depend on besides the code that cleans them."""
        return repr((self.canonical, self.kinds, [(column.name, column.type) for column in self.columns]))

    @property
    def canonical(self) -> dict[str, Input]:
        """Every canonical column of the log, by name."""
        return {one.name: one for one in (*SHARED_INPUTS, *self.inputs)}

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of the numeric canonical columns."""
        return tuple(one.name for one in self.inputs if one.type == NUMBER)

    @property
    def needed(self) -> tuple[str, ...]:
        """The canonical columns that every record needs."""
        required = tuple(one.name for one in self.canonical.values() if one.is_required)
        return required + (self.alternatives.inputs if self.alternatives and self.alternatives.most == 1 else ())
