"""contact_plan: whom does it pay to contact after a night, and what should it earn?

Grain: (customer, as_of), in the warehouse. Inputs: the visible scores of the day, [contact] of shop.toml, the plans of
the days before. Nobody is planned twice within rest_days.

Contacting a customer earns what it keeps: the probability of leaving times success_rate of the spend's margin, less
the cost. Going down the list by that profit, the depth with the highest expected profit is where it falls to zero, or
the capacity. (In the expected maximum profit measure of Verbraken, Verbeke and Baesens, IEEE TKDE 25, 2013, the success
rate is itself uncertain; the depth is chosen before it shows, so only its mean counts, which is success_rate.)

A control group, drawn by a keyed hash of the shop's own customer id, is planned like the others and never contacted. It
takes no capacity. The key and the draw never change, so the same customers stay in it.
"""

from __future__ import annotations

import hmac
import sys
from datetime import date, timedelta
from decimal import Decimal

from spark_jobs.command import load_arguments, make_parser, run_command
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.proof import CONTACT_PLAN
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop import Contact, Shop
from spark_jobs.contract.tables import probability_column
from spark_jobs.warehouse import PublishedRun, Warehouse

#: Everybody worth a contact who has rested, the most profitable first.
WORTH_IT = """
    WITH worth AS (
        SELECT risk.customer_id, coalesce(known.customer_id, risk.customer_id) AS shop_customer_id,
               round((risk.{p} * risk.expected_spend::float8 * $1 * $2 - $3)::numeric, 2) AS profit
        FROM churn_risk AS risk
        LEFT JOIN identity.customers AS known ON known.shop = $4 AND known.customer_key = risk.customer_id
        WHERE risk.as_of = $5 AND risk.run_id = $6
    )
    SELECT customer_id, shop_customer_id, profit::text FROM worth
    WHERE profit > 0 AND NOT EXISTS (
        SELECT FROM contact_plan AS earlier
        WHERE earlier.customer_id = worth.customer_id AND earlier.as_of < $5 AND earlier.as_of > $7
    )
    ORDER BY profit DESC, customer_id"""


def is_control(secret: bytes, shop_name: str, customer_id: str, share: float) -> bool:
    """Whether the customer belongs to the control group: the same answer for ever, and the larger group of a larger
    share holds the smaller one."""
    digest = hmac.digest(secret, f"{shop_name} {customer_id}".encode(), "sha256")
    return int.from_bytes(digest[:8], "big") < share * 2**64


def find_visible(warehouse: Warehouse, shop: Shop, as_of: date) -> PublishedRun:
    runs = [run for run in warehouse.published(shop) if run.as_of == as_of and run.superseded_at is None]
    if not runs:
        raise MissingInputError(f"no scores of {shop.name} are visible for {as_of}: load them into the warehouse first")
    return runs[0]


def find_worth(warehouse: Warehouse, shop: Shop, contact: Contact, run: PublishedRun) -> list[dict]:
    """customer_id, shop_customer_id and profit."""
    primary = shop.churn.primary_horizon_days
    rested = run.as_of - timedelta(days=contact.rest_days or primary)
    query = WORTH_IT.replace("{p}", probability_column(primary))
    money = (float(contact.success_rate), float(contact.margin), float(contact.cost))
    return warehouse.fetch(shop, query, *money, shop.name, run.as_of, run.run_id, rested).to_pylist()


def plan(worth: list[dict], contact: Contact, shop_name: str, run: PublishedRun, secret: bytes) -> list[dict]:
    """The rows of contact_plan: down the list until the capacity is used up, the control group on the way."""
    rows, free = [], contact.capacity_per_night
    for rank, customer in enumerate(worth, start=1):
        if not free:
            break
        kept_out = is_control(secret, shop_name, customer["shop_customer_id"], contact.control_share)
        free -= not kept_out
        rows.append({"as_of": run.as_of, "customer_id": customer["customer_id"], "rank": rank, "is_control": kept_out,
                     "expected_profit": Decimal(customer["profit"]), "run_id": run.run_id})  # fmt: skip
    return rows


def run_day(warehouse: Warehouse, shop: Shop, contact: Contact, as_of: date, secret: bytes) -> None:
    """Plans the day unless that was done: people may have acted on it."""
    visible = find_visible(warehouse, shop, as_of)
    if warehouse.fetch(shop, "SELECT 1 FROM contact_plan WHERE as_of = $1 LIMIT 1", as_of).num_rows:
        print(f"contact_plan: {as_of} is planned already")
        return
    if visible.is_hindsight:
        print(f"contact_plan: {as_of} is scored in hindsight, nobody could have been contacted")
        return
    worth = find_worth(warehouse, shop, contact, visible)
    rows = plan(worth, contact, shop.name, visible, secret)
    warehouse.replace(shop, CONTACT_PLAN, rows, as_of=as_of)
    chosen = [row for row in rows if not row["is_control"]]
    profit = sum((row["expected_profit"] for row in chosen), Decimal(0))
    print(f"contact_plan {as_of}: {len(worth):,} are worth a contact, {len(chosen):,} of them to be contacted (capacity"
          f" {contact.capacity_per_night:,}), {len(rows) - len(chosen):,} kept as control; it should earn {profit:,.2f}"
          f" {shop.currency}")  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__, many_days=True), argv)
    if shop.contact is None:
        print(f"contact_plan: {shop.name} has no [contact] in {shop.path.name}, so nobody is planned")
        return
    settings = Settings.from_environment()
    warehouse = Warehouse.connect(settings)
    warehouse.prepare(shop)
    for as_of in sorted(arguments.as_of):
        run_day(warehouse, shop, shop.contact, as_of, settings.control_key())


if __name__ == "__main__":
    sys.exit(run_command(main))
