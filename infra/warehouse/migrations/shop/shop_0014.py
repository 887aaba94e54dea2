"""Stores which models were rejected, so that they no longer wait for approval.

rejections      the models that a person rejected, or about which nobody decided in time; rows are only added
model_registry  gets the column rejected_at
"""

from alembic import op

revision = "shop_0014"
down_revision = "shop_0013"

UPGRADE = """
CREATE TABLE rejections (
    version     text PRIMARY KEY REFERENCES models,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE OR REPLACE VIEW model_registry AS
    SELECT version, kind, location, bundle_hash, trained_through, effective_from, gate_passed, metrics, created_at,
           promoted_at, rejected_at
    FROM models LEFT JOIN (
        SELECT DISTINCT ON (version) * FROM promotions ORDER BY version, number DESC
    ) AS newest USING (version) LEFT JOIN rejections USING (version);

COMMENT ON TABLE rejections IS 'one decision against a model; a later promotion counts all the same';
COMMENT ON COLUMN rejections.version IS 'the model, as in model_registry';
COMMENT ON COLUMN rejections.rejected_at IS 'when it was decided, or the time for an answer was over [UTC]';
COMMENT ON COLUMN model_registry.rejected_at IS 'when it was rejected; null: never. A later promotion counts [UTC]';
"""

DOWNGRADE = """
DROP VIEW model_registry CASCADE;
DROP TABLE rejections;
CREATE VIEW model_registry AS
    SELECT version, kind, location, bundle_hash, trained_through, effective_from, gate_passed, metrics, created_at,
           promoted_at
    FROM models LEFT JOIN (
        SELECT DISTINCT ON (version) * FROM promotions ORDER BY version, number DESC
    ) AS newest USING (version);
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
