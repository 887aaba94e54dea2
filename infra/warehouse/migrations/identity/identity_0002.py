"""The shop's own ids without the blanks round them, as the keys are made of them."""

import sys

import sqlalchemy
from alembic import op

revision = "identity_0002"
down_revision = "identity_0001"

STRIP = """
UPDATE customers SET customer_id = btrim(customer_id, :blanks) WHERE customer_id <> btrim(customer_id, :blanks)
"""
#: What Python's str.strip removes.
BLANKS = "".join(filter(str.isspace, map(chr, range(sys.maxunicode))))


def upgrade() -> None:
    op.get_bind().execute(sqlalchemy.text(STRIP), {"blanks": BLANKS})


def downgrade() -> None:
    """Nothing: ids with blanks and without mean the same."""
