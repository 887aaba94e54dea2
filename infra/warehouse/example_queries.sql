-- What analysts ask first. Set the shop once, then every query reads as it stands:
--   SET search_path TO uci_retail;          (psql: make sql, or PGOPTIONS='-c search_path=uci_retail')
-- p_churn is the probability of the shop's primary horizon; each horizon has a column p_churn_<days>d beside it.
-- The role churn_reader may run all of them but the one that resolves customer ids, which needs churn_identity too.

-- title: The 20 customers with the most money at risk
SELECT customer_id, band, p_churn, expected_spend, spend_at_risk, reason_text, reason_2_text
FROM current_churn_risk
ORDER BY spend_at_risk DESC, customer_id
LIMIT 20;

-- title: Customers and money by band
SELECT band, count(*) AS customers, sum(expected_spend) AS expected_spend, sum(spend_at_risk) AS spend_at_risk
FROM current_churn_risk
GROUP BY band
ORDER BY min(p_churn) DESC;

-- title: One customer's history
SELECT as_of, p_churn, band, reason, model_version
FROM churn_risk_history
WHERE customer_id = (SELECT customer_id FROM current_churn_risk ORDER BY spend_at_risk DESC, customer_id LIMIT 1)
ORDER BY as_of;

-- title: Whose risk rose most since the day before
SELECT today.customer_id, before.p_churn AS p_before, today.p_churn AS p_today,
       today.p_churn - before.p_churn AS rise, today.spend_at_risk, today.reason_text
FROM current_churn_risk AS today
JOIN churn_risk_history AS before ON before.as_of = today.as_of - 1 AND before.customer_id = today.customer_id
ORDER BY rise DESC, today.customer_id
LIMIT 20;

-- title: The shop's own ids of the customers to contact (needs churn_identity)
SELECT customers.customer_id AS shop_customer_id, risk.band, risk.spend_at_risk, risk.reason_text
FROM current_churn_risk AS risk
JOIN identity.customers ON customers.shop = current_schema() AND customers.customer_key = risk.customer_id
WHERE risk.band = 'high'
ORDER BY risk.spend_at_risk DESC, shop_customer_id
LIMIT 100;

-- title: Which model scored which day
SELECT runs.as_of, risk.model_version, models.kind, models.trained_through, runs.is_hindsight, runs.known_as_of,
       count(*) AS customers
FROM published_runs AS runs
JOIN churn_risk_history AS risk ON risk.as_of = runs.as_of
LEFT JOIN model_registry AS models ON models.version = risk.model_version
WHERE runs.superseded_at IS NULL
GROUP BY runs.as_of, risk.model_version, models.kind, models.trained_through, runs.is_hindsight, runs.known_as_of
ORDER BY runs.as_of DESC;

-- title: Were the published scores right
SELECT as_of, horizon_days, n, churn_rate, predicted_rate, auroc, log_loss, ece, lift_10, model_version
FROM outcomes
ORDER BY as_of DESC, horizon_days
LIMIT 30;

-- title: What has changed since the model learned
SELECT as_of, action, kind, subject, value, expected, distance, finding
FROM drift
WHERE as_of = (SELECT max(as_of) FROM drift)
ORDER BY action = 'ok', kind, subject;

-- title: Whom to contact now, the most profitable first
SELECT rank, customer_id, expected_profit, sum(expected_profit) OVER (ORDER BY rank) AS profit_so_far, band,
       expected_spend, spend_at_risk, reason_text
FROM contact_list
ORDER BY rank;

-- title: What the contacts brought
SELECT month, n_contacted, n_control, churn_rate_contacted, churn_rate_control, lift, lift_low, lift_high,
       spend_lift, spend_lift_low, spend_lift_high, reached_contacted, lift_reached
FROM contact_lift
ORDER BY month NULLS LAST;

-- title: What the customers of today will spend
SELECT as_of, horizon_days, customers, expected, low, high, model_version
FROM expected_sales
ORDER BY as_of DESC, horizon_days
LIMIT 30;
