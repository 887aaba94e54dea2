"""Who was really contacted. Meanings and comments: spark_jobs/contract/warehouse_tables.py."""

from alembic import op

revision = "shop_0008"
down_revision = "shop_0007"

UPGRADE = """
CREATE TABLE contacts (
    customer_id  text COLLATE "C" NOT NULL,
    contacted_on date NOT NULL,
    PRIMARY KEY (customer_id, contacted_on)
);
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE contacts CASCADE")
