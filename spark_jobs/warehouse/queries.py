"""The queries that jobs can read by name, over a shop's schema.

`:name` is a parameter, `:shop` the shop's name. {p} is replaced by the probability columns of the parameter
horizons_days.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spark_jobs.contract.tables import probability_column
from spark_jobs.warehouse.protocol import Reading

QUERIES: Mapping[Reading, str] = {
    # The customer keys whose id in the shop is known.
    "known_customers": "SELECT customer_key FROM identity.customers WHERE shop = :shop",
    "merged_customers": "SELECT customer_id, goes_on_as FROM merged_customers ORDER BY customer_id",
    # The scores of one run.
    "scores": """
        SELECT customer_id, model_version, {p} FROM churn_risk WHERE as_of = :as_of AND run_id = :run_id
        ORDER BY customer_id""",
    # The probabilities of the first night that the model scored, if that was before :before.
    "first_scores": """
        SELECT {p} FROM churn_risk_history WHERE model_version = :model_version AND as_of = (
            SELECT min(as_of) FROM churn_risk_history WHERE model_version = :model_version AND as_of < :before)""",
    "outcomes": "SELECT * FROM outcomes ORDER BY as_of, horizon_days",
    # For every horizon the newest outcomes that were known on a day.
    "newest_outcomes": """
        SELECT DISTINCT ON (horizon_days) * FROM outcomes WHERE known_as_of <= :known
        ORDER BY horizon_days, as_of DESC""",
    # What a step has stored for a day.
    "stored_drift": "SELECT * FROM drift WHERE as_of = :as_of ORDER BY kind, subject",
    "stored_sales": "SELECT * FROM expected_sales WHERE as_of = :as_of ORDER BY horizon_days",
    "newest_drift": "SELECT * FROM drift WHERE as_of = (SELECT max(as_of) FROM drift) ORDER BY kind, subject",
    "contact_lift": "SELECT * FROM contact_lift ORDER BY month NULLS LAST, horizon_days",
    # The customers planned after a night.
    "planned": "SELECT customer_id FROM contact_plan WHERE as_of = :as_of",
    # The nights after :as_of whose scores were visible by :seen_by, or that have a plan.
    "newer_nights": """
        SELECT as_of FROM published_runs WHERE as_of > :as_of AND published_at <= :seen_by
        UNION SELECT as_of FROM contact_plan WHERE as_of > :as_of""",
    # The customers with a positive expected profit who have no plan within rest_days, by descending profit. Profit is
    # a text, so that it stays an exact decimal.
    "worth_contacting": """
        WITH worth AS (
            SELECT risk.customer_id, coalesce(known.customer_id, risk.customer_id) AS shop_customer_id,
                   coalesce(merged.goes_on_as, risk.customer_id) AS person,
                   round((risk.{p} * risk.expected_spend::float8 * :success_rate * :margin - :cost)::numeric, 2)
                       AS profit
            FROM churn_risk AS risk
            LEFT JOIN identity.customers AS known ON known.shop = :shop AND known.customer_key = risk.customer_id
            LEFT JOIN merged_customers AS merged ON merged.customer_id = risk.customer_id
            WHERE risk.as_of = :as_of AND risk.run_id = :run_id
        ), planned AS (
            SELECT coalesce(goes_on_as, customer_id) AS person
            FROM contact_plan LEFT JOIN merged_customers USING (customer_id)
            WHERE as_of > :as_of - :rest_days::int AND as_of < :as_of + :rest_days::int
        )
        SELECT customer_id, shop_customer_id, profit::text FROM worth
        WHERE profit > 0 AND person NOT IN (SELECT person FROM planned)
        ORDER BY profit DESC, customer_id""",
    # Customers and money at risk in each band of a run.
    "bands": """
        SELECT band, count(*) AS customers, sum(spend_at_risk)::float8 AS at_risk FROM churn_risk
        WHERE as_of = :as_of AND run_id = :run_id GROUP BY band ORDER BY band""",
    "current_scores": "SELECT * FROM current_churn_risk ORDER BY spend_at_risk DESC NULLS LAST, customer_id",
    "contact_list": "SELECT * FROM contact_list ORDER BY rank",
    # The shop's own ids.
    "customer_ids": "SELECT customer_key, customer_id FROM identity.customers WHERE shop = :shop",
    "customer_id": "SELECT customer_id FROM identity.customers WHERE shop = :shop AND customer_key = :customer_key",
    # The newest nights of one customer.
    "customer_nights": """
        SELECT * FROM churn_risk_history WHERE customer_id = :customer_id ORDER BY as_of DESC LIMIT 14""",
    # Every model with its newest promotion, and its rejection: null also before a warehouse has that column.
    "models": """
        SELECT version, kind, trained_through, gate_passed, created_at, effective_from AS scores_from, promoted_at,
               (SELECT max(number) FROM promotions WHERE promotions.version = model.version) AS promotion,
               (to_jsonb(model) ->> 'rejected_at')::timestamptz AS rejected_at
        FROM model_registry AS model ORDER BY created_at, version""",
}
_PARAMETER = re.compile(r"(?<!:):(\w+)")


def write_query(name: Reading, shop_name: str, parameters: Mapping[str, Any]) -> tuple[str, list[object]]:
    """The query with the placeholders $1, $2, ..., and the values in that order."""
    columns = ", ".join(probability_column(days) for days in parameters.get("horizons_days", ()))
    query = QUERIES[name].replace("{p}", columns)
    values = {"shop": shop_name, **parameters}
    places = list(dict.fromkeys(_PARAMETER.findall(query)))
    return _PARAMETER.sub(lambda found: f"${places.index(found[1]) + 1}", query), [values[place] for place in places]
