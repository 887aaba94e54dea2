"""Merged customers, for contacts and plans under former ids. Meanings: contract/warehouse_tables.py."""

from alembic import op

revision = "shop_0013"
down_revision = "shop_0012"

UPGRADE = """
CREATE TABLE merged_customers (
    customer_id text COLLATE "C" NOT NULL,
    goes_on_as  text COLLATE "C" NOT NULL,
    PRIMARY KEY (customer_id)
);
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE merged_customers CASCADE")
