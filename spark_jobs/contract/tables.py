"""Every table of the lake: its grain, its columns with type, unit and meaning, and its partition column.

A job's last select is `table.column_names`; the meanings below become the warehouse's column comments. The columns of
clean events are declared in `logs/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from spark_jobs.contract.log import Log
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.measures import MEASURES, SERIES_MEASURES, SETS
from spark_jobs.contract.table import CUSTOMER, DELIVERY, Column, Table

_CLEANING = ("spark_jobs.clean", "spark_jobs.cleaning", "spark_jobs.raw", "spark_jobs.contract.customer_ids")

_AS_OF = Column("as_of", "date", "the state of the world at the end of this day, in the shop's time zone")
_EVENT_DAY = Column("event_day", "date", "the day of the event in the shop's time zone")
_DELIVERY_DAY = Column("delivery_day", "date", "the first day on which the pipeline knows the record")
_RECORD = Column("record_number", "bigint", "the record's place in its file, from 1")


def _events(log: Log) -> Table:
    """The clean events of a log."""
    return Table(
        log.name,
        log.grain,
        (
            Column("event_id", "string", "the shop's own id, or a keyed hash of the content"),
            CUSTOMER,
            Column("event_at", "timestamp", "when it happened", "UTC"),
            _EVENT_DAY,
            Column("product_id", "string", "the shop's product id", nullable=True),
            *log.columns,
            DELIVERY,
            _RECORD,
            _DELIVERY_DAY,
        ),
        key=("event_id", "event_day", *log.key_columns),
        partition="delivery_day",
        code=_CLEANING,
    )


#: The events by log, in the order in which logs are cleaned.
EVENTS = {name: _events(log) for name, log in LOGS.items()}
PURCHASES, BROWSES, REVIEWS = (EVENTS[name] for name in ("purchases", "browses", "reviews"))


def quarantine(log: str) -> Table:
    """The rejected records of one log. Logs are cleaned in parallel, so each has a table of its own."""
    return Table(
        f"{log}_quarantine",
        "one rejected record; never the record itself",
        (
            DELIVERY,
            _RECORD,
            Column("record_hash", "string", "keyed hash of the record, to find it again in the raw file"),
            Column("reasons", "array<string>", "codes of everything that is wrong with it"),
            _DELIVERY_DAY,
        ),
        key=("delivery_id", "record_number"),
        partition="delivery_day",
        code=_CLEANING,
    )


CUSTOMER_DAY = Table(
    "customer_day",
    "what a customer did on one day, as delivered on one delivery day",
    (
        CUSTOMER,
        _EVENT_DAY,
        *(Column(m.name, m.type, m.meaning, m.unit, default=0) for m in MEASURES),
        *(Column(s.name, s.type, s.meaning, s.unit, default=()) for s in SETS),
        _DELIVERY_DAY,
    ),
    key=("customer_id", "event_day"),
    partition="delivery_day",
    code=("spark_jobs.customer_day",),
)

#: `delivery_day` is a column of the rows here.
CUSTOMER_DAY_MONTHS = replace(
    CUSTOMER_DAY,
    name="customer_day_months",
    grain="the rows of customer_day once more, by month, for jobs that read a long history",
    columns=(*CUSTOMER_DAY.columns, Column("month", "string", "the month of delivery_day, such as 2026-10")),
    key=(*CUSTOMER_DAY.key, CUSTOMER_DAY.partition),
    partition="month",
    code=("spark_jobs.lake.months",),
)

#: All customers who were ever eligible: training on today's eligible customers alone ruins the probabilities.
TRAINING_SERIES = Table(
    "training_series",
    "one ever-eligible customer's history up to the end of a day: facts only, no labels",
    (
        CUSTOMER,
        Column("first_day", "date", "day of the customer's first event"),
        Column("days", "array<date>", "days with any event, ascending; the arrays below are parallel to it. A day with "
               "late records has one entry for each day on which records of it arrived"),
        Column("late_days", "array<int>", "how many days after the event day the records of an entry arrived; 0: by "
               "its end. A delivery that spans many days is history and counts as known on its event days. Null in "
               "series that are older than this column: nothing was late", "days"),
        *(Column(m.name, "array<double>", m.meaning + ", per day", m.unit) for m in SERIES_MEASURES),
        _AS_OF,
    ),
    key=("customer_id",),
    partition="as_of",
    code=("spark_jobs.customer_series", "spark_jobs.cleaning.entries", "spark_jobs.cleaning.lateness",
          "spark_jobs.cleaning.merges", "spark_jobs.cleaning.undone", "spark_jobs.contract.windows"),
)  # fmt: skip

CUSTOMER_SERIES = replace(
    TRAINING_SERIES,
    name="customer_series",
    grain="one eligible customer's history up to the end of a day: facts only, no labels",
    columns=(
        *TRAINING_SERIES.columns,
        Column("known_as_of", "date", "for a restated night: the later day up to whose end deliveries were read; null: "
               "as_of itself", nullable=True),
    ),
)  # fmt: skip


def probability_column(horizon_days: int) -> str:
    return f"p_churn_{horizon_days}d"


#: A column of the views, so that one query works for every shop.
PRIMARY_PROBABILITY = Column(
    "p_churn", "double", "the churn probability of the shop's primary horizon, which band and money are based on; "
    "null: the model that scored has not learned this horizon", "0..1", nullable=True,
)  # fmt: skip

#: The reasons of a risk, the strongest first; each has a column with its text.
REASON_COLUMNS = ("reason", "reason_2", "reason_3")


def _reason(name: str, rank: int) -> tuple[Column, Column]:
    place = ("most", "second most", "third most")[rank]
    missing = "base_rate if none does; null in band low" if rank == 0 else "null in band low, or if none does"
    return (
        Column(name, "string", f"the group of inputs whose change or level raises the primary probability {place}; "
               f"{missing}", nullable=True),
        Column(f"{name}_text", "string", f"{name} as a sentence with numbers of the customer's own series; a change is "
               "relative to the same number of weeks before", nullable=True,
               heading="because of" if rank == 0 else ""),
    )  # fmt: skip


def churn_risk(horizons_days: Iterable[int]) -> Table:
    """The score table of a shop with these horizons, in the lake and in the warehouse."""
    probabilities = tuple(
        Column(
            probability_column(h),
            "double",
            f"probability of no qualifying activity in the next {h} days; null: "
            "the model that scored has not learned this horizon",
            "0..1",
            nullable=True,
        )
        for h in horizons_days
    )
    return Table(
        "churn_risk",
        "one eligible customer's churn risk at the end of a day",
        (
            CUSTOMER,
            *probabilities,
            Column("expected_spend", "decimal(18,2)",
                   "spend less refunds to expect in the primary horizon if the customer stays", "shop currency",
                   heading="expected"),
            Column("spend_at_risk", "decimal(18,2)",
                   "expected_spend times the churn probability of the primary horizon", "shop currency",
                   heading="at risk"),
            Column("band", "string", "high, medium or low, by the primary horizon's probability", heading="band"),
            Column("reason_effect", "double", "how much lower the primary probability would be without the reason; "
                   "null in band low and for base_rate", "0..1", nullable=True),
            *(column for rank, name in enumerate(REASON_COLUMNS) for column in _reason(name, rank)),
            Column("model_version", "string", "the model that scored the row"),
            Column("is_hindsight", "boolean", "whether the score uses later knowledge: its model was trained on days "
                   "after as_of, or the night was restated with later deliveries"),
            _AS_OF,
        ),
        key=("customer_id",),
        partition="as_of",
        code=("spark_jobs.churn_risk", "training.config", "training.tensors",
              "training.evaluation.log_odds", "training.models", "training.selection", "training.serving"),
    )  # fmt: skip
