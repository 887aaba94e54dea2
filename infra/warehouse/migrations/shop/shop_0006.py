"""The model, code and lake versions of a published run."""

from alembic import op

revision = "shop_0006"
down_revision = "shop_0005"

UPGRADE = """
ALTER TABLE published_runs ADD COLUMN model_version text, ADD COLUMN code text, ADD COLUMN inputs jsonb;
COMMENT ON COLUMN published_runs.model_version IS 'the model that scored it, as in model_registry';
COMMENT ON COLUMN published_runs.code IS 'hash of the product''s source that made it';
COMMENT ON COLUMN published_runs.inputs IS 'lake table to the version that it was made from';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("ALTER TABLE published_runs DROP COLUMN model_version, DROP COLUMN code, DROP COLUMN inputs")
