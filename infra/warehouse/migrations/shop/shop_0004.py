"""The contact plan. Meanings and comments: spark_jobs/contract/warehouse_tables.py."""

from alembic import op

revision = "shop_0004"
down_revision = "shop_0003"

UPGRADE = """
CREATE TABLE contact_plan (
    as_of           date NOT NULL,
    customer_id     text COLLATE "C" NOT NULL,
    rank            integer NOT NULL,
    expected_profit numeric(18, 2) NOT NULL,
    is_control      boolean NOT NULL,
    run_id          text COLLATE "C" NOT NULL,
    PRIMARY KEY (as_of, customer_id)
);
CREATE INDEX contact_plan_customer ON contact_plan (customer_id, as_of);
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE contact_plan CASCADE")
