"""The outcomes of scores. Meanings and comments: spark_jobs/contract/warehouse_tables.py."""

from alembic import op

revision = "shop_0002"
down_revision = "shop_0001"

UPGRADE = """
CREATE TABLE outcomes (
    as_of          date NOT NULL,
    horizon_days   integer NOT NULL,
    run_id         text COLLATE "C" NOT NULL,
    model_version  text NOT NULL,
    n              bigint NOT NULL,
    churn_rate     double precision,
    predicted_rate double precision,
    auroc          double precision,
    log_loss       double precision,
    ece            double precision,
    lift_10        double precision,
    known_as_of    date NOT NULL,
    PRIMARY KEY (as_of, horizon_days)
);

CREATE TABLE customer_outcomes (
    as_of        date NOT NULL,
    customer_id  text COLLATE "C" NOT NULL,
    horizon_days integer NOT NULL,
    churned      boolean NOT NULL,
    spend        numeric(18, 2) NOT NULL,
    PRIMARY KEY (as_of, customer_id)
);
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE customer_outcomes, outcomes CASCADE")
