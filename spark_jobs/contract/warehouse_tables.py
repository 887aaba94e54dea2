"""The tables that only the warehouse has: outcomes, drift, contacts and forecasts."""

from __future__ import annotations

from spark_jobs.contract.table import Column, Table
from spark_jobs.contract.tables import PRIMARY_PROBABILITY

_SCORED_DAY = Column("as_of", "date", "the day that was scored, in the shop's time zone")
_HORIZON = Column("horizon_days", "int", "the horizon, counted from the day after as_of", "days")
_CUSTOMER = Column("customer_id", "string", "the customer, as in churn_risk")
_KNOWN = Column("known_as_of", "date", "outcomes are known up to this day; final a week after the end of the horizon")

_RUN_KEY = Column("run_key", "string", "a hash of all inputs: with the same, a repeated night keeps the rows; null: "
                  "stored by an older release", nullable=True)  # fmt: skip

OUTCOMES = Table(
    "outcomes",
    "how good the first published scores of a day were at one horizon; scores with hindsight are left out",
    (
        _SCORED_DAY,
        _HORIZON,
        Column("run_id", "string", "the run that was judged, as in published_runs"),
        Column("model_version", "string", "the model that scored it"),
        Column("n", "bigint", "customers judged: those active within the horizon before as_of", "customers"),
        Column("churn_rate", "double", "share of them without qualifying activity in the horizon", "0..1", True),
        Column("predicted_rate", "double", "the mean of their probabilities", "0..1", True),
        Column("auroc", "double", "how often a churned customer had a higher probability than one who stayed", "0..1",
               True),
        Column("log_loss", "double", "mean log loss of their probabilities", "nats", True),
        Column("ece", "double", "expected calibration error, ten bins of equal mass", "0..1", True),
        Column("lift_10", "double", "churn rate of the tenth with the highest probabilities divided by that of all",
               "ratio", True),
        _KNOWN,
    ),
    key=("as_of", "horizon_days"),
    partition="as_of",
)  # fmt: skip

CUSTOMER_OUTCOMES = Table(
    "customer_outcomes",
    "the outcome of one customer of a day's first scores, in the primary horizon",
    (
        _SCORED_DAY,
        _CUSTOMER,
        _HORIZON,
        Column("churned", "boolean", "whether there was no qualifying activity in the horizon"),
        Column(
            "spend",
            "decimal(18,2)",
            "sales less refunds in the horizon; refunds count up to the amount that the customer had paid",
            "shop currency",
        ),
    ),
    key=("as_of", "customer_id"),
    partition="as_of",
)

DRIFT = Table(
    "drift",
    "one drift check of one night: do the data and the scores still resemble what the model was trained on",
    (
        _SCORED_DAY,
        Column("kind", "string", "volume, values, inputs, scores or labels"),
        Column("subject", "string", "what was checked: a log, a measure, a model input, a horizon"),
        Column("value", "double", "what it was that night", "by kind", True),
        Column("expected", "double", "what it was before: usual weekdays, the days before, the model's training",
               "by kind", True),
        Column("distance", "double", "the ratio of value and expected; for inputs and scores the population stability "
               "index; for labels the difference", "by kind", True),
        Column("action", "string", "ok, warn (look at it), retrain, or block (the night's scores are not published)"),
        Column("finding", "string", "the result in a sentence"),
        _RUN_KEY,
    ),
    key=("kind", "subject"),
    partition="as_of",
)  # fmt: skip

_RANK = Column("rank", "int", "rank by expected profit, 1 is the highest; control customers are ranked too")
_PROFIT = Column("expected_profit", "decimal(18,2)", "probability of leaving times expected_spend times success_rate "
                 "times margin, less cost", "shop currency")  # fmt: skip

CONTACT_PLAN = Table(
    "contact_plan",
    "one customer whom it pays to contact after a night; final unless a newer night is planned within 12 hours",
    (
        _SCORED_DAY,
        _CUSTOMER,
        _RANK,
        _PROFIT,
        Column("is_control", "boolean", "in the control group: never contacted, to measure the effect of contacts"),
        Column("run_id", "string", "the run whose scores the plan is based on"),
        Column("planned_at", "timestamp", "when the night was planned", "UTC"),
    ),
    key=("customer_id",),
    partition="as_of",
)

CONTACTS = Table(
    "contacts",
    "one customer who was contacted on one day, from [contact.log] of shop.toml; empty without it",
    (
        _CUSTOMER,
        Column("contacted_on", "date", "the day of the contact, in the shop's time zone"),
    ),
    key=("customer_id",),
    partition="contacted_on",
)

MERGED_CUSTOMERS = Table(
    "merged_customers",
    "one customer id that the shop has merged into another, from merged_customers of shop.toml; empty without it",
    (
        _CUSTOMER,
        Column("goes_on_as", "string", "the customer id in use after all merges known so far"),
    ),
    key=("customer_id",),
    partition="customer_id",
)

EXPECTED_SALES = Table(
    "expected_sales",
    "the expected spend of a day's eligible customers in one horizon; new customers are not included",
    (
        _SCORED_DAY,
        _HORIZON,
        Column("customers", "bigint", "eligible customers, including those who will leave", "customers"),
        Column("expected", "decimal(18,2)", "the sum of their expected spend, less refunds", "shop currency"),
        Column("low", "decimal(18,2)", "lower end of the 95 % interval, from the errors of past forecasts; null: fewer "
               "than four past errors", "shop currency", nullable=True),
        Column("high", "decimal(18,2)", "upper end of the 95 % interval", "shop currency", nullable=True),
        Column("model_version", "string", "the model it comes from"),
        Column("is_hindsight", "boolean", "whether the model learned from days after as_of, or the night was restated"),
        _RUN_KEY,
    ),
    key=("as_of", "horizon_days"),
    partition="as_of",
)  # fmt: skip

WAREHOUSE_TABLES = (OUTCOMES, CUSTOMER_OUTCOMES, DRIFT, CONTACT_PLAN, CONTACTS, MERGED_CUSTOMERS, EXPECTED_SALES)

CONTACT_LIST = Table(
    "contact_list",
    "the customers to contact now: the newest night's plan without the control group, by expected profit",
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
            "as in churn_risk; null in band low: a contact pays because of the customer's spend alone",
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
    "the effect of contacts by intention to treat: all planned contacts against the control group, each customer "
    "by the first plan, since later plans depend on its effect",
    (
        Column("month", "date", "first day of the month of the first plans; null: all months", nullable=True),
        Column("horizon_days", "int", "the horizon of the outcomes", "days"),
        *_of_arms("n", "bigint", "customers whose first plan's outcome is known, of", "customers"),
        *_of_arms("churn_rate", "double", "share that churned of", "0..1"),
        *_with_interval("lift", "share of customers kept by the plan: churn rate of the control group less that of the "
                        "customers to be contacted", "0..1"),
        *_with_interval("spend_lift", "mean net spend in the horizon of those to be contacted less that of the control "
                        "group", "shop currency"),
        *_of_arms("reached", "double", "share that was contacted within the horizon, by contacts, of customers whose "
                  "horizon began after the start of the contact log; of", "0..1"),
        *_with_interval("lift_reached", "share kept among customers who were contacted because of the plan: lift "
                        "divided by the difference of both shares reached; null if that is not significantly "
                        "above zero", "0..1"),
    ),
    key=("month", "horizon_days"),
    partition="month",
)  # fmt: skip
