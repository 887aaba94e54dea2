"""The findings of the drift checks. Meanings and comments: contract/warehouse_tables.py."""

from alembic import op

revision = "shop_0003"
down_revision = "shop_0002"

UPGRADE = """
CREATE TABLE drift (
    as_of    date NOT NULL,
    kind     text COLLATE "C" NOT NULL,
    subject  text COLLATE "C" NOT NULL,
    value    double precision,
    expected double precision,
    distance double precision,
    action   text NOT NULL CHECK (action IN ('ok', 'warn', 'retrain', 'block')),
    finding  text NOT NULL,
    PRIMARY KEY (as_of, kind, subject)
);
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE drift")
