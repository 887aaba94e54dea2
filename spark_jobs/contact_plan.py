"""contact_plan: which customers is it profitable to contact after a night, and what is the expected profit?

Grain: (customer, as_of), in the warehouse. Inputs: the visible scores of the day, [contact] of shop.toml, the plans of
the other days, the merged customers. Nobody is planned twice within rest_days, not even under a former id.

A plan uses up contacts, so there must be time to act on it. Therefore only the newest night is planned, and its plan
withdraws plans of earlier nights that were made less than WORKABLE_AFTER ago: when several nights are caught up in a
row, only the last one's plan remains.

Expected profit of a contact = probability of churn x success_rate x margin x expected spend - cost. Customers are
planned in descending order of it, down to zero or until the capacity is used up, which maximises the total. (In the
expected maximum profit measure of Verbraken, Verbeke and Baesens, IEEE TKDE 25, 2013, the success rate is random. The
depth is chosen before it is known, so only its mean matters: success_rate.)

A control group, drawn by a keyed hash of the shop's own customer id, is planned like the others and never contacted. It
takes no capacity. The key never changes, so the same customers stay in the group.
"""

from __future__ import annotations

import hmac
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa

from spark_jobs.cleaning import merges
from spark_jobs.contract.errors import MissingInputError
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Contact, Shop
from spark_jobs.contract.warehouse_tables import CONTACT_PLAN
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from spark_jobs.warehouse.records import PublishedRun

#: A plan that is replaced sooner is withdrawn, because it was not shown for a working day. Nights that are caught up
#: follow each other within minutes, regular nights after a day.
WORKABLE_AFTER = timedelta(hours=12)
#: So many rows are Python objects at a time, of possibly every customer.
ROWS_AT_ONCE = 10_000


def is_control(secret: bytes, shop_name: str, customer_id: str, share: float) -> bool:
    """Whether the customer belongs to the control group. The answer never changes, and if the share is raised, the
    customers of the smaller group stay in the larger one."""
    digest = hmac.digest(secret, f"{shop_name} {customer_id}".encode(), "sha256")
    return int.from_bytes(digest[:8], "big") < share * 2**64


def find_visible(warehouse: Warehouse, shop: Shop, as_of: date) -> PublishedRun:
    runs = [run for run in warehouse.published(shop) if run.as_of == as_of and run.superseded_at is None]
    if not runs:
        raise MissingInputError(f"no scores of {shop.name} are visible for {as_of}: load them into the warehouse first")
    return runs[0]


def find_worth(warehouse: Warehouse, shop: Shop, contact: Contact, run: PublishedRun) -> pa.Table:
    """Rows of customer_id, shop_customer_id and expected profit: those above zero, in descending order of profit."""
    primary = shop.churn.primary_horizon_days
    return warehouse.read(
        shop, "worth_contacting", as_of=run.as_of, run_id=run.run_id, horizons_days=[primary],
        rest_days=contact.rest_days or primary, success_rate=float(contact.success_rate),
        margin=float(contact.margin), cost=float(contact.cost),
    )  # fmt: skip


def plan(
    worth: pa.Table, contact: Contact, shop_name: str, run: PublishedRun, secret: bytes, now: datetime
) -> list[dict]:
    """The rows of contact_plan: in order until the capacity is used up, including the control customers in between."""
    rows, free = [], contact.capacity_per_night
    customers = (row for batch in worth.to_batches(ROWS_AT_ONCE) for row in batch.to_pylist())
    for rank, customer in enumerate(customers, start=1):
        if not free:
            break
        kept_out = is_control(secret, shop_name, customer["shop_customer_id"], contact.control_share)
        free -= not kept_out
        rows.append({"as_of": run.as_of, "customer_id": customer["customer_id"], "rank": rank, "is_control": kept_out,
                     "expected_profit": Decimal(customer["profit"]), "run_id": run.run_id,
                     "planned_at": now})  # fmt: skip
    return rows


def run_day(
    warehouse: Warehouse, shop: Shop, contact: Contact, as_of: date, secret: bytes, now: datetime | None = None
) -> None:
    """Plans the day once; a plan is never changed, because people may have acted on it. now: with a time zone."""
    now = now or datetime.now(UTC)
    visible = find_visible(warehouse, shop, as_of)
    if reason := find_reason_to_skip(warehouse, shop, visible, now):
        print(f"contact_plan: {as_of} {reason}")
        return
    # First, because customers of withdrawn plans need no rest. If the job dies in between, the next try makes the plan.
    withdrawn = warehouse.withdraw_plans(shop, before=as_of, planned_after=now - WORKABLE_AFTER)
    if withdrawn:
        print(
            f"contact_plan: withdrew {withdrawn:,} customers of earlier nights, because there was no time to use"
            " their lists"
        )
    worth = find_worth(warehouse, shop, contact, visible)
    rows = plan(worth, contact, shop.name, visible, secret, now)
    warehouse.replace(shop, CONTACT_PLAN, rows, as_of=as_of)
    chosen = [row for row in rows if not row["is_control"]]
    profit = sum((row["expected_profit"] for row in chosen), Decimal(0))
    print(f"contact_plan {as_of}: {len(worth):,} are worth a contact, {len(chosen):,} of them to be contacted (capacity"
          f" {contact.capacity_per_night:,}), {len(rows) - len(chosen):,} as control; expected profit {profit:,.2f}"
          f" {shop.currency}")  # fmt: skip


def find_reason_to_skip(warehouse: Warehouse, shop: Shop, visible: PublishedRun, now: datetime) -> str | None:
    """Why the night gets no plan; None if it gets one."""
    if warehouse.read(shop, "planned", as_of=visible.as_of).num_rows:
        return "is planned already"
    if visible.is_hindsight:
        return "is scored in hindsight, nobody could have been contacted"
    if warehouse.read(shop, "newer_nights", as_of=visible.as_of, seen_by=now).num_rows:
        return "gets no plan: a newer night has the contact list"
    return None


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__, many_days=True), argv)
    if shop.contact is None:
        print(f"contact_plan: {shop.name} has no [contact] in {shop.path.name}, so no contacts are planned")
        return
    settings = Settings.from_environment()
    warehouse = connect(settings)
    warehouse.prepare(shop)
    merges.publish(Lake(settings.lake(shop.name)), warehouse, shop)
    for as_of in sorted(arguments.as_of):
        run_day(warehouse, shop, shop.contact, as_of, settings.control_key())


if __name__ == "__main__":
    sys.exit(run_command(main))
