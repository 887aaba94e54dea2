"""The views of a shop. Their columns and meanings: contract/tables.py and contract/warehouse_tables.py.

In the queries, {schema} is the shop's schema, {log_since} the first day of its contact log by shop.toml, or NULL.

contact_lift counts each customer once, by the first plan with that customer. Merged customers count as one, including
their contacts and plans under former ids. Later plans are left out, because they depend on the first: a customer who
was kept by a contact is more likely to be planned again, so the assignment to the control group would no longer be a
fair comparison. Repeated outcomes of one customer are also correlated, which would make the intervals too narrow.

The intervals of contact_lift are 95 %. For the difference of churn rates: Agresti and Caffo (The American Statistician
54, 2000), which also holds for small groups. For the difference of mean spends: Welch's standard error.

Who is reached is not random, so customers reached and not reached cannot be compared directly. The assignment to the
control group is random, so it serves as an instrument: the difference in churn rates divided by the difference in the
share reached is the effect on customers who were reached because of the plan (Imbens and Angrist, Econometrica 62,
1994), with the standard error of two-stage least squares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import PRIMARY_PROBABILITY, churn_risk, probability_column
from spark_jobs.contract.warehouse_tables import CONTACT_LIFT, CONTACT_LIST, CONTACT_PLAN
from spark_jobs.warehouse.schema.columns import RUN_COLUMNS

_CURRENT_CHURN_RISK = """
    SELECT {columns} FROM (
        SELECT as_of, run_id FROM {schema}.published_runs WHERE superseded_at IS NULL ORDER BY as_of DESC LIMIT 1
    ) AS visible JOIN {schema}.churn_risk AS risk USING (as_of, run_id)"""

_CHURN_RISK_HISTORY = """
    SELECT {columns} FROM {schema}.published_runs AS visible
    JOIN {schema}.churn_risk AS risk USING (as_of, run_id) WHERE visible.superseded_at IS NULL"""

_CONTACT_LIST = """
    SELECT {columns} FROM {schema}.contact_plan AS plan
    JOIN {schema}.churn_risk AS risk USING (as_of, run_id, customer_id)
    WHERE NOT plan.is_control
    AND plan.as_of = (SELECT max(as_of) FROM {schema}.published_runs WHERE superseded_at IS NULL)
    ORDER BY plan.rank"""

#: The aggregates of each arm. The regr_ functions ignore customers for whom it is not known whether they were reached.
_SUMS = {
    "n": "count(*)",
    "churned": "count(nullif(churned, false))",
    "spend": "avg(spend)",
    "variance": "var_samp(spend)",
    "known": "regr_count(kept, reached)",
    "kept": "regr_avgy(kept, reached)",
    "reached": "regr_avgx(kept, reached)",
    "kept_square": "regr_syy(kept, reached)",
    "reached_square": "regr_sxx(kept, reached)",
    "product": "regr_sxy(kept, reached)",
}
_ARMS = ", ".join(
    f"{formula} FILTER (WHERE {is_of}) AS {name}_{arm}"
    for arm, is_of in (("contacted", "NOT is_control"), ("control", "is_control"))
    for name, formula in _SUMS.items()
)

_CONTACT_LIFT = (
    """
    WITH first_plans AS (
        SELECT DISTINCT ON (person) coalesce(goes_on_as, customer_id) AS person, customer_id, as_of, is_control
        FROM {schema}.contact_plan LEFT JOIN {schema}.merged_customers USING (customer_id)
        ORDER BY person, as_of, rank
    ), contacted AS (
        SELECT coalesce(goes_on_as, customer_id) AS person, contacted_on
        FROM {schema}.contacts LEFT JOIN {schema}.merged_customers USING (customer_id)
    ), planned AS (
        SELECT plan.as_of, horizon_days, is_control, churned, spend, 1 - churned::int AS kept,
               CASE WHEN plan.as_of + 1 >= log_begins THEN EXISTS (
                   SELECT FROM contacted WHERE contacted.person = plan.person
                   AND contacted_on > plan.as_of AND contacted_on <= plan.as_of + horizon_days
               )::int END AS reached
        FROM first_plans AS plan JOIN {schema}.customer_outcomes USING (as_of, customer_id)
        CROSS JOIN (SELECT coalesce({log_since}, min(contacted_on)) AS log_begins FROM {schema}.contacts) AS log
    ), arms AS (
        SELECT date_trunc('month', as_of)::date AS month, horizon_days, """
    + _ARMS
    + """
        FROM planned GROUP BY horizon_days, ROLLUP (date_trunc('month', as_of))
    ), rates AS (
        SELECT *, churned_contacted::float8 / nullif(n_contacted, 0) AS churn_rate_contacted,
               churned_control::float8 / nullif(n_control, 0) AS churn_rate_control,
               (churned_contacted + 1.0) / (n_contacted + 2) AS p_contacted,
               (churned_control + 1.0) / (n_control + 2) AS p_control,
               CASE WHEN reached_contacted - reached_control > 1.96 * sqrt(
                   reached_square_contacted / nullif(known_contacted, 0) ^ 2
                   + reached_square_control / nullif(known_control, 0) ^ 2
               ) THEN reached_contacted - reached_control END AS reached_more
        FROM arms
    ), effects AS (
        SELECT *, spend_contacted - spend_control AS spend_lift,
               (kept_contacted - kept_control) / reached_more AS lift_reached
        FROM rates
    ), halves AS (
        SELECT *, 1.96 * sqrt(p_contacted * (1 - p_contacted) / (n_contacted + 2)
                              + p_control * (1 - p_control) / (n_control + 2)) AS half,
               1.96 * sqrt(variance_contacted / nullif(n_contacted, 0)
                           + variance_control / nullif(n_control, 0)) AS spend_half,
               1.96 / reached_more * sqrt(
                   (kept_square_contacted - 2 * lift_reached * product_contacted
                    + lift_reached ^ 2 * reached_square_contacted) / known_contacted ^ 2
                   + (kept_square_control - 2 * lift_reached * product_control
                      + lift_reached ^ 2 * reached_square_control) / known_control ^ 2) AS reached_half
        FROM effects
    )
    SELECT month, horizon_days, n_contacted, n_control, churn_rate_contacted, churn_rate_control,
           churn_rate_control - churn_rate_contacted AS lift,
           (p_control - p_contacted - half)::float8 AS lift_low,
           (p_control - p_contacted + half)::float8 AS lift_high,
           spend_lift::float8 AS spend_lift,
           (spend_lift - spend_half)::float8 AS spend_lift_low,
           (spend_lift + spend_half)::float8 AS spend_lift_high,
           reached_contacted, reached_control, lift_reached,
           lift_reached - reached_half AS lift_reached_low, lift_reached + reached_half AS lift_reached_high
    FROM halves"""
)


@dataclass(frozen=True)
class View:
    """A view with the columns of `table`, which replace {columns} in the query; each is read from plan or risk."""

    table: Table
    query: str


def list_views(shop: Shop) -> list[View]:
    scores = churn_risk(shop.churn.horizons_days)
    scores = replace(scores, columns=(*scores.columns, *RUN_COLUMNS, PRIMARY_PROBABILITY))
    grain = "the churn risk of every eligible customer on"
    return [
        View(
            replace(scores, name="current_churn_risk", grain=f"{grain} the newest published day"), _CURRENT_CHURN_RISK
        ),
        View(replace(scores, name="churn_risk_history", grain=f"{grain} every published day"), _CHURN_RISK_HISTORY),
        View(CONTACT_LIST, _CONTACT_LIST),
        View(CONTACT_LIFT, _CONTACT_LIFT),
    ]


def make_view(connection: psycopg.Connection, shop: Shop, view: View, shown: Iterable[str]) -> None:
    """Creates or replaces the view. shown: its previous columns, which all stay in place, even if a migration has
    dropped the view meanwhile."""
    names = dict.fromkeys([*shown, *view.table.column_names])
    planned = CONTACT_PLAN.column_names if view.table is CONTACT_LIST else ()
    primary = {PRIMARY_PROBABILITY.name: probability_column(shop.churn.primary_horizon_days)}
    columns = [
        sql.SQL("{} AS {}").format(
            sql.Identifier("plan" if name in planned else "risk", primary.get(name, name)), sql.Identifier(name)
        )
        for name in names
    ]
    query = sql.SQL(view.query).format(
        schema=sql.Identifier(shop.name),
        columns=sql.SQL(", ").join(columns),
        log_since=sql.Literal(shop.contact and shop.contact.log_since),
    )
    place = sql.Identifier(shop.name, view.table.name)
    connection.execute(sql.SQL("CREATE OR REPLACE VIEW {} AS {}").format(place, query))
