"""Comments of gate_passed and kind: a gate with too few outcomes, and the constant rate."""

from alembic import op

revision = "shop_0012"
down_revision = "shop_0011"

UPGRADE = """
COMMENT ON COLUMN model_registry.kind IS
    'lstm, the baseline it is (logistic, boosting, recency, bgnbd or constant), or the average or blend of several';
COMMENT ON COLUMN model_registry.gate_passed IS
    'whether it passed the gate of its training; false: no kind did, and the best on earlier outcomes was taken, or too
few customers had churned or stayed to judge any: metrics say is_judged for each horizon';
"""

DOWNGRADE = """
COMMENT ON COLUMN model_registry.kind IS
    'lstm, the baseline it is (logistic, boosting, recency or bgnbd), or the average or blend of several';
COMMENT ON COLUMN model_registry.gate_passed IS
    'whether it passed the gate of its training; false: no kind did, and the best on earlier outcomes was taken';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
