"""Strips blanks from the shop's own ids, as is done before they are hashed to keys."""

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
    """Does nothing: the ids without blanks are valid too."""
