"""Reasons as sentences, and a second and third reason. Meanings and comments: spark_jobs/contract/tables.py."""

from alembic import op

revision = "shop_0005"
down_revision = "shop_0004"

COLUMNS = ("reason_text", "reason_2", "reason_2_text", "reason_3", "reason_3_text")


def upgrade() -> None:
    op.execute("ALTER TABLE churn_risk " + ", ".join(f"ADD COLUMN {name} text" for name in COLUMNS))


def downgrade() -> None:
    op.execute("ALTER TABLE churn_risk " + ", ".join(f"DROP COLUMN {name} CASCADE" for name in COLUMNS))
