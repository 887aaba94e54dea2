"""Stores every promotion as a row, so that promoting an older model again does not change the days of the newer one.

models          the trained models, until now in model_registry
promotions      which model scores from which day on, in the order of their number; rows are only added
model_registry  a view of both with the previous columns, for existing queries

Until now the greatest effective_from up to a day decided which model scores it; now the newest promotion does. The
existing rows are numbered so that every day keeps its model.
"""

from alembic import op

revision = "shop_0011"
down_revision = "shop_0010"

UPGRADE = """
CREATE TABLE promotions (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version        text NOT NULL REFERENCES model_registry,
    effective_from date NOT NULL,
    promoted_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO promotions (version, effective_from, promoted_at)
    SELECT version, effective_from, promoted_at FROM model_registry WHERE effective_from IS NOT NULL
    ORDER BY effective_from, promoted_at;
ALTER TABLE model_registry RENAME TO models;
ALTER TABLE models DROP COLUMN effective_from, DROP COLUMN promoted_at;
CREATE VIEW model_registry AS
    SELECT version, kind, location, bundle_hash, trained_through, effective_from, gate_passed, metrics, created_at,
           promoted_at
    FROM models LEFT JOIN (
        SELECT DISTINCT ON (version) * FROM promotions ORDER BY version, number DESC
    ) AS newest USING (version);

COMMENT ON TABLE models IS 'one trained model; read model_registry, which says from which day on it scores, too';
COMMENT ON TABLE promotions IS
    'one decision that a model scores from a day on; of those up to a day the newest says which model scores it';
COMMENT ON COLUMN promotions.number IS 'counts promotions up: the greatest is the newest';
COMMENT ON COLUMN promotions.version IS 'the model, as in model_registry';
COMMENT ON COLUMN promotions.effective_from IS 'the first day it scores, until a newer promotion';
COMMENT ON COLUMN promotions.promoted_at IS 'when it was decided [UTC]';
COMMENT ON VIEW model_registry IS 'one trained model, and from which day on it scores by its newest promotion';
COMMENT ON COLUMN model_registry.version IS 'the model, as in churn_risk.model_version';
COMMENT ON COLUMN model_registry.kind IS
    'lstm, the baseline it is (logistic, boosting, recency or bgnbd), or the average or blend of several';
COMMENT ON COLUMN model_registry.location IS 'folder of its bundle';
COMMENT ON COLUMN model_registry.bundle_hash IS 'hash of the bundle, checked before it is loaded';
COMMENT ON COLUMN model_registry.trained_through IS 'the last day it learned from';
COMMENT ON COLUMN model_registry.effective_from IS
    'the first day of its newest promotion, see promotions; null: never promoted';
COMMENT ON COLUMN model_registry.gate_passed IS
    'whether it passed the gate of its training; false: no kind did, and the best on earlier outcomes was taken';
COMMENT ON COLUMN model_registry.metrics IS 'its metrics on the test period, with intervals';
COMMENT ON COLUMN model_registry.created_at IS 'when it was trained [UTC]';
COMMENT ON COLUMN model_registry.promoted_at IS 'when it was promoted last [UTC]';
"""

DOWNGRADE = """
DROP VIEW model_registry CASCADE;
ALTER TABLE models ADD COLUMN effective_from date, ADD COLUMN promoted_at timestamptz;
UPDATE models SET effective_from = newest.effective_from, promoted_at = newest.promoted_at
    FROM (SELECT DISTINCT ON (version) * FROM promotions ORDER BY version, number DESC) AS newest
    WHERE newest.version = models.version;
DROP TABLE promotions CASCADE;
ALTER TABLE models RENAME TO model_registry;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
