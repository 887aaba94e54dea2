"""purchases, browses, reviews: what happened in the shop, one clean event a row, and an account of every raw record.

Grain: one clean event; identity (event_id, event_day), of which the earliest (delivery_day, path, record) wins.
Inputs: the raw files of deliveries, shop.toml. Outputs: the three, a quarantine for each, accounts.

A run cleans every delivery that is not cleaned yet up to its as_of, so the order of runs does not matter. Records are
read, judged and written in one pass; where bots are limited, they are found by a reading before it. Duplicates are
found afterwards, among the few that share an identity. Before anything of a log is published
`lines_in == clean + quarantined + duplicates + elsewhere` holds for every file; else nothing is. Elsewhere are the
records of another log in a file that two logs read.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Collection, Sequence
from datetime import date
from functools import partial

from pyspark.sql import SparkSession

from spark_jobs.cleaning import deliveries, merges, plausible, refusals
from spark_jobs.cleaning.accounts import (
    Tally,
    check_accounts,
    count_expected,
    count_reasons,
    make_accounts,
    sum_accounts,
    with_accounts,
)
from spark_jobs.cleaning.changes import settle_changes
from spark_jobs.cleaning.customer_files import CustomerFiles
from spark_jobs.cleaning.deduplication import settle
from spark_jobs.cleaning.dominant import warn_of_dominant
from spark_jobs.cleaning.drafting import Outcome
from spark_jobs.cleaning.erasures import load_tombstones
from spark_jobs.cleaning.plan import CleaningPlan, Delivery, make_plan
from spark_jobs.cleaning.readings import judge_files
from spark_jobs.cleaning.repeats import require_few
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import EVENTS, quarantine
from spark_jobs.lake.backlog import note_waiting
from spark_jobs.lake.keys import make_run_key
from spark_jobs.lake.publishing import replan_if_superseded
from spark_jobs.lake.store import Draft, Lake
from spark_jobs.raw import reader as raw
from spark_jobs.runtime.command import add_dry_run, load_arguments, make_parser, run_command
from spark_jobs.runtime.session import SparkOpener, open_session
from spark_jobs.warehouse.connection import connect

SHOWN_FILES = 10  # of those that a dry run would clean


def publish(
    lake: Lake,
    plan: CleaningPlan,
    drafts: dict[str, Draft],
    outcome: Outcome,
    accounts: list[dict],
    is_forced: bool = False,
) -> None:
    """Quarantine first, events second, because later runs check the events."""
    days = {tally.delivery_day for tally in outcome.tallies}
    for verdict, metadata in (("quarantined", None), ("clean", sum_accounts(accounts))):
        draft = drafts[verdict]
        lake.publish_draft(draft, outcome.files[verdict], plan.run_keys(draft.table, days), metadata, is_forced)
    lake.update(ACCOUNTS, plan.log, lambda current: with_accounts(current, accounts))


def plan_log(
    lake: Lake,
    shop: Shop,
    log: str,
    as_of: date,
    settings: Settings,
    registered: list[Delivery],
    again: Collection[date] = (),
) -> CleaningPlan:
    """The due part of one log, given its deliveries; or the given days again."""
    rules = make_run_key(
        EVENTS[log], log, [], key_id=settings.id_key().key_id, zone=shop.time_zone, currency=shop.currency,
        rates=repr(shop.rates), customer_ids=shop.customer_ids.rules, source=repr(shop.sources[log]),
        declared=LOGS[log].fingerprint,
    )  # fmt: skip
    accounted = lake.arrow(ACCOUNTS, [log]).to_pylist()

    def planned(changed: set[str], gone: set[str]) -> CleaningPlan:
        there = [row for row in registered if row["delivery_id"] not in gone]
        return make_plan(lake, EVENTS[log], there, accounted, as_of, rules, changed, settings.catch_up_bytes, again)

    plan, intake = planned(set(), set()), deliveries.find_intake(shop, log, settings)
    # Only files to be read are checked: files of old nights may have changed.
    changed = deliveries.find_changed(intake, plan.all_deliveries, registered)
    gone = find_withdrawn(intake, plan.all_deliveries, accounted)
    plan = planned(changed, gone) if changed | gone else plan
    if plan.kept:
        paths = ", ".join(delivery["path"] for delivery in plan.kept[:SHOWN_FILES])
        print(f"{log}: warning: published days keep their content, although these files have changed: {paths}"
              + ("" if len(plan.kept) <= SHOWN_FILES else f" and {len(plan.kept) - SHOWN_FILES:,} more"))  # fmt: skip
    return plan


def find_withdrawn(intake: raw.Intake, planned: Sequence[Delivery], accounted: list[dict]) -> set[str]:
    """The ids of deliveries that were removed before any of their records was used, for example refused files."""
    used = {row["delivery_id"] for row in accounted}
    return deliveries.find_gone(intake, [row for row in planned if row["delivery_id"] not in used])


def preview(lake: Lake, shop: Shop, log: str, as_of: date, settings: Settings) -> None:
    """Prints what a run would clean; registers and writes nothing."""
    fresh = deliveries.describe_new(lake, shop, log, as_of, settings)
    plan = plan_log(lake, shop, log, as_of, settings, [*lake.arrow(DELIVERIES, [log]).to_pylist(), *fresh])
    files = plan.all_deliveries
    print(f"{log}: would clean {len(files):,} files up to {as_of}, {len(fresh):,} files are new, and leave"
          f" {len(plan.waiting):,} days to the next nights")  # fmt: skip
    for delivery in files[:SHOWN_FILES]:
        print(f"  {delivery['path']}")


@replan_if_superseded
def run(open_spark: SparkOpener, lake: Lake, shop: Shop, log: str, as_of: date, settings: Settings) -> CleaningPlan:
    """Registers, cleans and publishes what is due of one log; returns the executed plan."""
    plan = plan_log(lake, shop, log, as_of, settings, deliveries.register(lake, shop, log, as_of, settings))
    if plan.is_empty:
        print(f"{log}: nothing new up to {as_of}")
    for part in plan.parts:
        carry_out(open_spark(), lake, shop, part, as_of, settings)
    note_waiting(lake, plan.table, [day.isoformat() for day in plan.waiting], as_of)
    return plan


def carry_out(
    spark: SparkSession,
    lake: Lake,
    shop: Shop,
    plan: CleaningPlan,
    as_of: date,
    settings: Settings,
    is_forced: bool = False,
) -> None:
    """Cleans and publishes the days of a plan. is_forced: even if they are published under the same keys."""
    log, source = plan.log, shop.sources[plan.log]
    with lake.draft(plan.table) as events, lake.draft(quarantine(log)) as rejects:
        drafts, customers = {"clean": events, "quarantined": rejects}, CustomerFiles(events.folder / "customers")
        outcome = judge_files(spark, plan, shop, settings, drafts, customers, load_sizes(lake, plan),
                              load_tombstones(lake, settings, shop))  # fmt: skip
        warn_of_dominant(spark, outcome, events)
        intake = deliveries.find_intake(shop, log, settings)
        if source.updates:
            outcome = settle_changes(spark, lake, plan, intake, outcome, drafts)
        else:
            outcome = settle(spark, lake, plan, shop, outcome, events)
        accounts = make_accounts(outcome.tallies, (*plan.deliveries, *plan.forgotten))
        for row in accounts:
            row["amount_sizes"] = plausible.to_text(outcome.sizes.get(row["delivery_id"]))
        report(log, outcome.tallies, accounts, as_of)
        described = refusals.report_files(plan, intake, outcome.tallies, accounts)
        stops = refusals.find_stops(outcome.tallies, source, described)
        expected = count_expected(outcome.tallies, source.expected_reasons)
        check_accounts(log, accounts, source.max_quarantined_share, as_of, stops, expected)
        require_few(outcome.conflicts, sum_accounts(accounts)["lines_in"], source, as_of)
        upsert_customers(shop, settings, customers, outcome.customer_files)
        publish(lake, plan, drafts, outcome, accounts, is_forced)


def load_sizes(lake: Lake, plan: CleaningPlan) -> dict[str, plausible.Sizes]:
    """delivery_id -> the sizes of its lines, for deliveries that the plan does not read."""
    is_read = {delivery["delivery_id"] for delivery in (*plan.deliveries, *plan.forgotten)}
    rows = lake.arrow(ACCOUNTS, [plan.log], columns=["delivery_id", "amount_sizes"]).to_pylist()
    sizes = {row["delivery_id"]: plausible.from_text(row["amount_sizes"]) for row in rows if row["amount_sizes"]}
    return {delivery_id: counts for delivery_id, counts in sizes.items() if delivery_id not in is_read}


def upsert_customers(shop: Shop, settings: Settings, customers: CustomerFiles, names: list[str]) -> None:
    """Stores the customer ids of new keys in the warehouse, before the keys are visible."""
    connect(settings).upsert_customers(shop, settings.id_key().key_id, customers.read(names))
    customers.remove()


def report(log: str, tallies: list[Tally], accounts: list[dict], as_of: date) -> None:
    """Prints what became of the records, and why they were rejected."""
    totals = sum_accounts(accounts)
    elsewhere = f" + {totals['elsewhere']:,} of other logs or erased customers" if totals["elsewhere"] else ""
    print(
        f"{log}: {len(accounts)} files up to {as_of}: {totals['lines_in']:,} records = {totals['clean']:,} clean"
        f" + {totals['quarantined']:,} quarantined + {totals['duplicates']:,} duplicates{elsewhere}"
    )
    for reason, count in count_reasons(tallies).most_common():
        print(f"  {count:>10,}  {reason}")


def select_logs(shop: Shop, chosen: Sequence[str] | None) -> list[str]:
    """The logs to clean, in their order. Raises ChurnError for one that the shop does not have."""
    for log in chosen or ():
        if log not in shop.sources:
            raise ChurnError(f"{shop.name} has no log {log}: choose among {', '.join(shop.sources)}")
    return [log for log in EVENTS if log in (chosen or shop.sources)]


def main(argv: Sequence[str] | None = None) -> None:
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["check"]:  # the former command
        sys.argv = ["spark_jobs.check", *words[1:]]
        runpy.run_module("spark_jobs.check", run_name="__main__")
    parser = make_parser(__doc__)
    parser.add_argument("--log", action="append", choices=list(EVENTS), help="only this log; may be repeated")
    arguments, shop = load_arguments(add_dry_run(parser), argv)
    settings = Settings.from_environment()
    lake = Lake(settings.lake(shop.name))
    if arguments.dry_run:
        for log in select_logs(shop, arguments.log):
            preview(lake, shop, log, arguments.as_of, settings)
        return
    connect(settings)  # an unreachable warehouse must end the job before its work, not after it
    merges.register(lake, shop, arguments.as_of, settings)
    for log in select_logs(shop, arguments.log):
        run(partial(open_session, "clean", settings), lake, shop, log, arguments.as_of, settings)


if __name__ == "__main__":
    sys.exit(run_command(main))
