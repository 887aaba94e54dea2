"""Which past nights were restated."""

from alembic import op

revision = "shop_0009"
down_revision = "shop_0008"

UPGRADE = """
ALTER TABLE published_runs ADD COLUMN known_as_of date;
COMMENT ON COLUMN published_runs.known_as_of IS
    'for a night that was restated: the later day up to whose end deliveries were read; null: as_of itself';
COMMENT ON COLUMN published_runs.is_hindsight IS
    'whether it knows what the night could not: its model learned from days after as_of, or the night was restated';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("ALTER TABLE published_runs DROP COLUMN known_as_of")
