"""The views over what came of the scores. Helper of warehouse.py; columns and meanings: contract/proof.py.

Intervals of contact_lift are 95 %: of the churn rates' difference by Agresti and Caffo (The American Statistician 54,
2000), which holds for small groups too; of the mean spends' difference by Welch's standard error.
"""

from __future__ import annotations

from spark_jobs.contract.proof import CONTACT_LIFT, CONTACT_LIST
from spark_jobs.contract.tables import Table

_CONTACT_LIST = """
    SELECT plan.as_of, plan.rank, plan.customer_id, plan.expected_profit, risk.band, risk.expected_spend,
           risk.spend_at_risk
    FROM {schema}.contact_plan AS plan
    JOIN {schema}.churn_risk AS risk USING (as_of, run_id, customer_id)
    WHERE NOT plan.is_control
    AND plan.as_of = (SELECT max(as_of) FROM {schema}.published_runs WHERE superseded_at IS NULL)
    ORDER BY plan.rank"""

_CONTACT_LIFT = """
    WITH arms AS (
        SELECT date_trunc('month', as_of)::date AS month, horizon_days,
               count(*) FILTER (WHERE NOT is_control) AS n_contacted,
               count(*) FILTER (WHERE is_control) AS n_control,
               count(*) FILTER (WHERE churned AND NOT is_control) AS churned_contacted,
               count(*) FILTER (WHERE churned AND is_control) AS churned_control,
               avg(spend) FILTER (WHERE NOT is_control) AS spend_contacted,
               avg(spend) FILTER (WHERE is_control) AS spend_control,
               var_samp(spend) FILTER (WHERE NOT is_control) AS variance_contacted,
               var_samp(spend) FILTER (WHERE is_control) AS variance_control
        FROM {schema}.contact_plan JOIN {schema}.customer_outcomes USING (as_of, customer_id)
        GROUP BY horizon_days, ROLLUP (date_trunc('month', as_of))
    ), rates AS (
        SELECT *, churned_contacted::float8 / nullif(n_contacted, 0) AS churn_rate_contacted,
               churned_control::float8 / nullif(n_control, 0) AS churn_rate_control,
               (churned_contacted + 1.0) / (n_contacted + 2) AS p_contacted,
               (churned_control + 1.0) / (n_control + 2) AS p_control
        FROM arms
    ), halves AS (
        SELECT *, spend_contacted - spend_control AS spend_lift,
               1.96 * sqrt(p_contacted * (1 - p_contacted) / (n_contacted + 2)
                           + p_control * (1 - p_control) / (n_control + 2)) AS half,
               1.96 * sqrt(variance_contacted / nullif(n_contacted, 0)
                           + variance_control / nullif(n_control, 0)) AS spend_half
        FROM rates
    )
    SELECT month, horizon_days, n_contacted, n_control, churn_rate_contacted, churn_rate_control,
           churn_rate_control - churn_rate_contacted AS lift,
           (p_control - p_contacted - half)::float8 AS lift_low,
           (p_control - p_contacted + half)::float8 AS lift_high,
           spend_lift::float8 AS spend_lift,
           (spend_lift - spend_half)::float8 AS spend_lift_low,
           (spend_lift + spend_half)::float8 AS spend_lift_high
    FROM halves"""

PROOF_VIEWS: tuple[tuple[Table, str], ...] = ((CONTACT_LIST, _CONTACT_LIST), (CONTACT_LIFT, _CONTACT_LIFT))
