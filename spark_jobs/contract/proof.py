"""The tables that only the warehouse has: what came of the scores that people saw."""

from __future__ import annotations

from spark_jobs.contract.tables import Column, Table

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
        Column("spend", "decimal(18,2)", "money spent in the horizon, returns not subtracted", "shop currency"),
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

PROOF_TABLES = (OUTCOMES, CUSTOMER_OUTCOMES, DRIFT)
