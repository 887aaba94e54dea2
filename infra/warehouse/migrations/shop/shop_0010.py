"""When a night was planned. Meanings and comments: spark_jobs/contract/warehouse_tables.py.

Existing plans get the time when their scores became visible or, if that is unknown, the end of their night.
"""

from alembic import op

revision = "shop_0010"
down_revision = "shop_0009"

UPGRADE = """
ALTER TABLE contact_plan ADD COLUMN planned_at timestamptz;
UPDATE contact_plan AS plan SET planned_at = coalesce(
    (SELECT published_at FROM published_runs AS runs WHERE runs.as_of = plan.as_of AND runs.run_id = plan.run_id),
    plan.as_of + 1);
ALTER TABLE contact_plan ALTER COLUMN planned_at SET NOT NULL;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("ALTER TABLE contact_plan DROP COLUMN planned_at")
