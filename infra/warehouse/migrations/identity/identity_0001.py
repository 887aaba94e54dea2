"""Maps customer keys to the shops' own customer ids, which are stored nowhere else."""

from alembic import op

revision = "identity_0001"
down_revision = None

UPGRADE = """
CREATE TABLE customers (
    shop          text NOT NULL,
    customer_key  text COLLATE "C" NOT NULL,
    customer_id   text NOT NULL,
    key_id        text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shop, customer_key)
);
CREATE INDEX customers_by_id ON customers (shop, customer_id);

COMMENT ON TABLE customers IS 'one customer of one shop: the key that all other tables use, and the shop''s own id';
COMMENT ON COLUMN customers.shop IS 'the shop, and the name of its schema';
COMMENT ON COLUMN customers.customer_key IS 'keyed hash of customer_id; customer_id in every other table';
COMMENT ON COLUMN customers.customer_id IS 'the shop''s own id of the customer';
COMMENT ON COLUMN customers.key_id IS 'name of the key that the hash was made with';
COMMENT ON COLUMN customers.first_seen_at IS 'when the pipeline first met the customer [UTC]';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE customers")
