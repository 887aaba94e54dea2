"""What the customers are expected to spend. Meanings and comments: spark_jobs/contract/warehouse_tables.py."""

from alembic import op

revision = "shop_0007"
down_revision = "shop_0006"

UPGRADE = """
CREATE TABLE expected_sales (
    as_of         date NOT NULL,
    horizon_days  integer NOT NULL,
    customers     bigint NOT NULL,
    expected      numeric(18, 2) NOT NULL,
    low           numeric(18, 2),
    high          numeric(18, 2),
    model_version text NOT NULL,
    is_hindsight  boolean NOT NULL,
    PRIMARY KEY (as_of, horizon_days)
);
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE expected_sales")
