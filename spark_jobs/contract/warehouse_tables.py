"""The tables that only the warehouse has: what came of the scores that people saw."""

from __future__ import annotations

from spark_jobs.contract.table import Column, Table
from spark_jobs.contract.tables import PRIMARY_PROBABILITY

_SCORED_DAY = Column("as_of", "date", "the day that was scored, in the shop's time zone")
_HORIZON = Column("horizon_days", "int", "the horizon, from the day after as_of on", "days")
_CUSTOMER = Column("customer_id", "string", "the customer, as in churn_risk")
_KNOWN = Column("known_as_of", "date", "up to this day was known what happened; final a week after the horizon's end")

OUTCOMES = Table(
    "outcomes",
    "how right the first scores of a day were at one horizon, by what happened since; never those of hindsight",
    (
        _SCORED_DAY,
        _HORIZON,
        Column("run_id", "string", "the run that was judged, as in published_runs"),
        Column("model_version", "string", "the model that scored it"),
        Column("n", "bigint", "customers judged: those active within the horizon before as_of", "customers"),
        Column("churn_rate", "double", "share of them without qualifying activity in the horizon", "0..1", True),
        Column("predicted_rate", "double", "the mean of their probabilities", "0..1", True),
        Column("auroc", "double", "how often a churned one had the higher probability than one who stayed", "0..1",
               True),
        Column("log_loss", "double", "mean log loss of their probabilities", "nats", True),
        Column("ece", "double", "expected calibration error, ten bins of equal mass", "0..1", True),
        Column("lift_10", "double", "churn rate of the tenth with the highest probabilities over that of all", "ratio",
               True),
        _KNOWN,
    ),
    key=("as_of", "horizon_days"),
    partition="as_of",
)  # fmt: skip

CUSTOMER_OUTCOMES = Table(
    "customer_outcomes",
    "what became of one customer whom a day's first scores named, in the primary horizon",
    (
        _SCORED_DAY,
        _CUSTOMER,
        _HORIZON,
        Column("churned", "boolean", "whether there was no qualifying activity in the horizon"),
        Column(
            "spend",
            "decimal(18,2)",
            "sales of the horizon less refunds in it, which count up to what the customer had paid",
            "shop currency",
        ),
    ),
    key=("as_of", "customer_id"),
    partition="as_of",
)

DRIFT = Table(
    "drift",
    "one look, on one night, at whether the world is still the one that the model knows",
    (
        _SCORED_DAY,
        Column("kind", "string", "volume, values, inputs, scores or labels"),
        Column("subject", "string", "what was looked at: a log, a measure, a model input, a horizon"),
        Column("value", "double", "what it was that night", "by kind", True),
        Column("expected", "double", "what it was before: usual weekdays, the days before, the model's training",
               "by kind", True),
        Column("distance", "double", "how far apart: the ratio of both; for inputs and scores the population stability "
               "index; for labels the difference", "by kind", True),
        Column("action", "string", "ok, warn (look at it), retrain, or block (the night's scores are not published)"),
        Column("finding", "string", "the same in a sentence"),
    ),
    key=("kind", "subject"),
    partition="as_of",
)  # fmt: skip

_RANK = Column("rank", "int", "by expected profit, the highest is 1; control customers have a rank too")
_PROFIT = Column("expected_profit", "decimal(18,2)", "probability of leaving times expected_spend times success_rate "
                 "times margin, less cost", "shop currency")  # fmt: skip

CONTACT_PLAN = Table(
    "contact_plan",
    "one customer whom it pays to contact after a night; a night's plan stands unless a newer one follows in 12 hours",
    (
        _SCORED_DAY,
        _CUSTOMER,
        _RANK,
        _PROFIT,
        Column("is_control", "boolean", "kept from all contacts, to measure what they bring"),
        Column("run_id", "string", "the run whose scores it follows from"),
        Column("planned_at", "timestamp", "when the night was planned", "UTC"),
    ),
    key=("customer_id",),
    partition="as_of",
)

CONTACTS = Table(
    "contacts",
    "one customer really contacted on one day, as [contact.log] of shop.toml tells; empty without it",
    (
        _CUSTOMER,
        Column("contacted_on", "date", "the day of the contact, in the shop's time zone"),
    ),
    key=("customer_id",),
    partition="contacted_on",
)

MERGED_CUSTOMERS = Table(
    "merged_customers",
    "one customer id that the shop has merged into another, by merged_customers of shop.toml; empty without it",
    (
        _CUSTOMER,
        Column("goes_on_as", "string", "the customer at the end of all merges known by now"),
    ),
    key=("customer_id",),
    partition="customer_id",
)

EXPECTED_SALES = Table(
    "expected_sales",
    "what a day's eligible customers are expected to spend in one horizon; new customers come on top",
    (
        _SCORED_DAY,
        _HORIZON,
        Column("customers", "bigint", "eligible customers, those who will leave included", "customers"),
        Column("expected", "decimal(18,2)", "the sum of what each is expected to spend, less refunds", "shop currency"),
        Column("low", "decimal(18,2)", "lower end of the 95 % interval, from how far such sums were off before; null: "
               "too few past errors, fewer than four, to give an interval", "shop currency", nullable=True),
        Column("high", "decimal(18,2)", "upper end of the 95 % interval", "shop currency", nullable=True),
        Column("model_version", "string", "the model it comes from"),
        Column("is_hindsight", "boolean", "whether the model learned from days after as_of, or the night was restated"),
    ),
    key=("as_of", "horizon_days"),
    partition="as_of",
)  # fmt: skip

WAREHOUSE_TABLES = (OUTCOMES, CUSTOMER_OUTCOMES, DRIFT, CONTACT_PLAN, CONTACTS, MERGED_CUSTOMERS, EXPECTED_SALES)

CONTACT_LIST = Table(
    "contact_list",
    "whom to contact now: the newest night's plan without the control group, the most profitable first",
    (
        _SCORED_DAY,
        _RANK,
        _CUSTOMER,
        _PROFIT,
        Column("band", "string", "as in churn_risk"),
        PRIMARY_PROBABILITY,
        Column("expected_spend", "decimal(18,2)", "as in churn_risk", "shop currency"),
        Column("spend_at_risk", "decimal(18,2)", "as in churn_risk", "shop currency"),
        Column(
            "reason_text",
            "string",
            "as in churn_risk; null: band low, where contacting pays by the money alone",
            nullable=True,
        ),
        Column("reason_2_text", "string", "as in churn_risk", nullable=True),
    ),
    key=("customer_id",),
    partition="as_of",
)


def _of_arms(name: str, type_: str, meaning: str, unit: str) -> tuple[Column, ...]:
    return tuple(Column(f"{name}_{arm}", type_, f"{meaning} {phrase}", unit, nullable=True) for arm, phrase in
                 (("contacted", "those to be contacted"), ("control", "the control group")))  # fmt: skip


def _with_interval(name: str, meaning: str, unit: str) -> tuple[Column, ...]:
    return (
        Column(name, "double", meaning, unit, nullable=True),
        Column(f"{name}_low", "double", f"lower end of the 95 % interval of {name}", unit, nullable=True),
        Column(f"{name}_high", "double", f"upper end of the 95 % interval of {name}", unit, nullable=True),
    )


CONTACT_LIFT = Table(
    "contact_lift",
    "what the contacts brought, by intention to treat: all who were to be contacted beside the control group, each "
    "customer by his first plan ever, since later ones depend on what that brought",
    (
        Column("month", "date", "first day of the month of the first plans; null: all months", nullable=True),
        Column("horizon_days", "int", "the horizon of the outcomes", "days"),
        *_of_arms("n", "bigint", "customers whose first plan's outcome is known, of", "customers"),
        *_of_arms("churn_rate", "double", "share that churned of", "0..1"),
        *_with_interval("lift", "share kept by the plan: churn rate of the control group less that of the contacted",
                        "0..1"),
        *_with_interval("spend_lift", "mean net spend in the horizon of those to be contacted less that of the control "
                        "group", "shop currency"),
        *_of_arms("reached", "double", "share really contacted within the horizon, by contacts, of those whose horizon "
                  "began no sooner than this log; of", "0..1"),
        *_with_interval("lift_reached", "share kept among those whom the plan had contacted: lift over the difference "
                        "of both shares reached; null where that is not surely above zero", "0..1"),
    ),
    key=("month", "horizon_days"),
    partition="month",
)  # fmt: skip
