"""Scores, published runs, and the model registry.

churn_risk      rows of all runs. They are visible only through the pointer of their day, so readers see one whole run.
                The probability columns depend on the shop's horizons: `prepare` adds them.
published_runs  the pointers. Superseded ones stay, to show what was visible when.
ensure_month    creates the partition of a day's month. It runs with the owner's rights, so that a loader needs no right
                to create tables. It attaches a finished table, because PARTITION OF would wait for every reader.
"""

from alembic import op

revision = "shop_0001"
down_revision = None

UPGRADE = """
CREATE TABLE churn_risk (
    as_of          date NOT NULL,
    run_id         text COLLATE "C" NOT NULL,
    customer_id    text COLLATE "C" NOT NULL,
    expected_spend numeric(18, 2) NOT NULL,
    spend_at_risk  numeric(18, 2) NOT NULL,
    band           text NOT NULL,
    reason         text,
    reason_effect  double precision,
    model_version  text NOT NULL,
    is_hindsight   boolean NOT NULL,
    scored_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (as_of, run_id, customer_id)
) PARTITION BY RANGE (as_of);

CREATE FUNCTION ensure_month(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    first_day date := date_trunc('month', day);
    part text := 'churn_risk_' || to_char(first_day, 'YYYY_MM');
BEGIN
    -- Asked of pg_class: to_regclass may remember from before the lock that there was none.
    FOR attempt IN 1..2 LOOP
        IF EXISTS (SELECT FROM pg_class WHERE relname = part
                   AND relnamespace = quote_ident(current_schema())::regnamespace) THEN
            RETURN;
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || part, 0));
    END LOOP;
    EXECUTE format('CREATE TABLE %I.%I (LIKE churn_risk INCLUDING DEFAULTS)', current_schema(), part);
    EXECUTE format('ALTER TABLE churn_risk ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)',
                   current_schema(), part, first_day, (first_day + interval '1 month')::date);
END $$;
REVOKE EXECUTE ON FUNCTION ensure_month FROM PUBLIC;

CREATE TABLE published_runs (
    as_of         date NOT NULL,
    run_id        text COLLATE "C" NOT NULL,
    rows          bigint NOT NULL,
    published_at  timestamptz NOT NULL DEFAULT now(),
    superseded_at timestamptz,
    lake_version  bigint NOT NULL,
    is_hindsight  boolean NOT NULL,
    PRIMARY KEY (as_of, run_id)
);
CREATE UNIQUE INDEX one_visible_run_per_day ON published_runs (as_of) WHERE superseded_at IS NULL;

COMMENT ON TABLE published_runs IS 'one run whose scores are, or were, visible for its day';
COMMENT ON COLUMN published_runs.as_of IS 'the day the run is about';
COMMENT ON COLUMN published_runs.run_id IS 'the run, as in churn_risk';
COMMENT ON COLUMN published_runs.rows IS 'rows of the run in churn_risk [rows]';
COMMENT ON COLUMN published_runs.published_at IS 'when its rows became visible [UTC]';
COMMENT ON COLUMN published_runs.superseded_at IS 'when another run took its place; null: visible [UTC]';
COMMENT ON COLUMN published_runs.lake_version IS 'version of the lake''s churn_risk that was loaded';
COMMENT ON COLUMN published_runs.is_hindsight IS 'whether the model learned from days after as_of';

CREATE TABLE model_registry (
    version         text PRIMARY KEY,
    kind            text NOT NULL,
    location        text NOT NULL,
    bundle_hash     text NOT NULL,
    trained_through date NOT NULL,
    effective_from  date,
    gate_passed     boolean NOT NULL,
    metrics         jsonb NOT NULL,
    created_at      timestamptz NOT NULL,
    promoted_at     timestamptz,
    CHECK ((effective_from IS NULL) = (promoted_at IS NULL))
);

COMMENT ON TABLE model_registry IS 'one trained model, and from which day on it scores';
COMMENT ON COLUMN model_registry.version IS 'the model, as in churn_risk.model_version';
COMMENT ON COLUMN model_registry.kind IS 'lstm, or the baseline it is: logistic, boosting or recency';
COMMENT ON COLUMN model_registry.location IS 'folder of its bundle';
COMMENT ON COLUMN model_registry.bundle_hash IS 'hash of the bundle, checked before it is loaded';
COMMENT ON COLUMN model_registry.trained_through IS 'the last day it learned from';
COMMENT ON COLUMN model_registry.effective_from IS 'the first day it scores; null: never promoted';
COMMENT ON COLUMN model_registry.gate_passed IS 'whether it did no worse than the best baseline and is calibrated';
COMMENT ON COLUMN model_registry.metrics IS 'its metrics on the test period, with intervals';
COMMENT ON COLUMN model_registry.created_at IS 'when it was trained [UTC]';
COMMENT ON COLUMN model_registry.promoted_at IS 'when it was promoted last [UTC]';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP FUNCTION ensure_month; DROP TABLE model_registry, published_runs, churn_risk CASCADE")
