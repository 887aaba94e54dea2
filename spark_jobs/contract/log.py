"""What a log is made of. Each file of `logs/` declares one, and everything else reads it there.

A column with the name of an input is that input, as `cleaning/plain_columns.py` types it. Whatever else a log types and
judges is in `cleaning/logs/NAME.py`, which most need not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spark_jobs.contract.table import Column

TEXT, NUMBER, TIME, KIND = "text", "number", "time", "kind"
#: The most bytes of UTF-8 of a text that is kept as it is. An index of the warehouse takes no customer id of 2,704, and
#: its canonical spelling may have three times as many as the raw one.
MOST_ID_BYTES, MOST_TEXT_BYTES = 512, 4096


@dataclass(frozen=True)
class Input:
    """A canonical column, to which shop.toml maps a raw one.

    type        TEXT, NUMBER, TIME or KIND (one of the log's kinds)
    most_bytes  of a text that is kept as it is; None: it is not
    is_scaled   whether shop.toml may say what a unit of the number is worth, like 0.01 for cents
    takes_percent  whether a percentage is a value of it: 12.5 % is 0.125
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
    """Of these inputs at least one and at most so many are mapped. expected: the same, as an error says it."""

    inputs: tuple[str, ...]
    expected: str
    most: int


@dataclass(frozen=True)
class Reason:
    """Why a record is rejected: what its code means and what to do about it.

    column: the canonical column whose raw value shows it best; None where the whole record does.
    is_fault: whether something is wrong, with the record or with shop.toml; else so many of them stop no run.
    """

    meaning: str
    remedy: str
    column: str | None = None
    is_fault: bool = True


@dataclass(frozen=True)
class Measure:
    """A fact about a customer's day: measures.py says how it adds up.

    sql         sums the log's clean events of one customer, event day and delivery day; of a set it collects them; of
                a set's count it looks at the united sets of one day, and "" where it needs the days before
    needs       the canonical columns, as log.column, without which a shop does not have it
    is_bad_news whether more of it is worse; of all else, less is
    is_size     whether it is the size of an order: one large order may dominate it
    is_in_days  whether sentences count its days, not its sum: a purchase of five lines is one purchase
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

    @property
    def fingerprint(self) -> str:
        """What decides its values: days that another formula was summed by are due again."""
        return f"{self.name} {self.type} {self.log}: {self.sql}"

    @property
    def is_money(self) -> bool:
        return self.unit == "shop currency"


@dataclass(frozen=True)
class ReasonGroup:
    """What is said of a group of inputs (Feature.group).

    form      change: more or less than before; total: everything so far; mean: the first measure over the second or,
              where that is 0, how many there were of the third; recency and tenure: their own sentences
    measures  of the series: the first that the shop has is named; of a mean all three
    """

    form: str
    measures: tuple[str, ...] = ()

    @property
    def is_level(self) -> bool:
        """Whether it is a level by its nature: to be one week older is no change."""
        return self.form in ("recency", "tenure", "total")


@dataclass(frozen=True)
class LogWords:
    """A log's words in one language. nouns: measure -> what it is called, and what follows its amounts; `{currency}` is
    the shop's. activity: what its activity is called."""

    nouns: Mapping[str, tuple[str, str]]
    activity: str = ""


@dataclass(frozen=True)
class Activity:
    """What may keep a customer: a shop whose churn.activity has this name looks for days with this measure."""

    name: str
    measure: str


@dataclass(frozen=True)
class Log:
    """A log, from raw files to the sentences about its customers.

    order           logs are cleaned in this order, and the first one that reads a file
                    rejects the records that no log takes
    inputs          the canonical columns beside SHARED_INPUTS
    columns         those of the table of its clean events beside what every event has
    key_columns     those that tell rows apart which share an id and a day
    kinds           of its events; an unmapped kind is the first
    sets            what does not add up: values per day, of which deliveries of a day are united
    set_counts      what customer_series counts from the united sets
    settings        keys of `sources.NAME` that only this log has
    counted_by      the measures that count its records, for the drift check of its volume
    is_daily        whether it shows on its day that the shop was quiet
    typical         what the drift check compares by its median: in words, a sum, and the measure that divides it
    largest         what the drift check compares by its largest customer: measure -> in words
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
        """What decides its clean events, beside the code that cleans them."""
        return repr((self.canonical, self.kinds, [(column.name, column.type) for column in self.columns]))

    @property
    def canonical(self) -> dict[str, Input]:
        """Every canonical column of the log by its name."""
        return {one.name: one for one in (*SHARED_INPUTS, *self.inputs)}

    @property
    def numbers(self) -> tuple[str, ...]:
        """The canonical columns that are numbers."""
        return tuple(one.name for one in self.inputs if one.type == NUMBER)

    @property
    def needed(self) -> tuple[str, ...]:
        """The canonical columns without which no record counts."""
        required = tuple(one.name for one in self.canonical.values() if one.is_required)
        return required + (self.alternatives.inputs if self.alternatives and self.alternatives.most == 1 else ())
