"""Does a shop.toml say what the shop means? Looks at the raw files as clean would, writes nothing, names what to mend.

    python -m spark_jobs.clean check SHOP.toml [--files 400]

For every log: the first records beside what becomes of them, what share would be rejected and why, the range of days,
how many customers. For the shop: its churn rate per horizon, and whether the history is long enough to train on. Exit
code 1 where something has to be mended.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from spark_jobs.checking.files import FILE_REASONS, find_swapped_lag, say_problems, show_files
from spark_jobs.checking.horizons import Rhythm, judge_horizons
from spark_jobs.checking.identity import LogCustomers, Met, count_changed, gather_customers, judge_customers
from spark_jobs.checking.orders import find_order_columns, sample_records
from spark_jobs.checking.times import sample_times, suggest_time_format
from spark_jobs.checking.values import find_number_doubts, find_remedy, is_worth_a_word
from spark_jobs.cleaning.accounts import (
    EMPTY_LINE,
    Tally,
    count_reasons,
    find_rejected_days,
    make_accounts,
    sum_accounts,
    take_tallies,
)
from spark_jobs.cleaning.deliveries import find_intake, list_files
from spark_jobs.cleaning.judging import COMMA
from spark_jobs.cleaning.plan import CleaningPlan
from spark_jobs.cleaning.repeats import count_conflicts
from spark_jobs.cleaning.undone import leave_out_undone
from spark_jobs.contacts import read_contacts
from spark_jobs.contract.arrivals import find_delivery_day
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.features import MEASURES
from spark_jobs.contract.rejections import REASONS, explain
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import CANONICAL, NUMERIC, Shop, Source
from spark_jobs.contract.tables import EVENTS
from spark_jobs.contract.windows import activity_window, history_needed_days, label_window
from spark_jobs.raw.columns import FileColumns, look_at_files
from spark_jobs.raw.reader import Intake, RawRecord, read_records
from spark_jobs.runtime.console import PlainConsole, as_plain

FIRST_RECORDS = 3
EXAMPLES = 3
LOOKED_FILES, LOOKED_RECORDS = 20, 1000  # for how numbers are spelt
#: A fault that only this share of the records has needs no mending of shop.toml.
SHARE_TO_MEND = 0.02
#: Zones whose day may name a file, tried in this order where events are ahead of theirs; and the shares of events from
#: which on that asks for an answer, or is more than a zone explains.
TRIED_ZONES = ("UTC", "America/New_York", "America/Los_Angeles")
MOST_LAG_DAYS = 31
SHARE_OF_DAYS = 0.05  # on which a night would stop: more are no single bad days
SHARE_AHEAD, SHARE_OF_NEXT_DAY = 0.002, 0.3
#: Reasons that are the shop's daily life, not a mistake in its file.
EXPECTED = {"customer_id_missing", "quantity_zero", "bot_rate", "line_empty", "review_empty"}
SAID_ELSEWHERE = {*FILE_REASONS, COMMA}  # file by file, or by the reason beside it


@dataclass
class Findings:
    """What has to be mended, a sentence each."""

    sentences: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        if sentence not in self.sentences:
            self.sentences.append(sentence)


@dataclass(frozen=True)
class Looked:
    """One log's files as clean would see them."""

    intake: Intake
    files: list[dict]
    judged: DataFrame
    tallies: list[Tally]
    columns: list[FileColumns]

    @property
    def source(self) -> Source:
        return self.intake.source

    @property
    def paths(self) -> dict[str, str]:
        return {file["delivery_id"]: file["path"] for file in self.files}


def check_shop(
    open_spark: Callable[[], SparkSession], shop: Shop, settings: Settings, console: Console, most_files: int, judge
) -> None:
    """Prints what was found. Raises ChurnError with the number of things to mend.

    judge: clean.judge_records, so that a check can never see other things than a run.
    """
    findings, console = Findings(), PlainConsole(console)
    console.print(f"{shop.title}: {shop.path}", style="bold")
    activity, customers = None, []
    for log in shop.sources:
        looked = look_at_log(open_spark, shop, log, settings, most_files, judge, findings)
        if looked is None:
            continue
        show_log(console, shop, looked, findings)
        customers.append(gather_customers(log, looked.judged))
        if log == ("purchases" if shop.churn.activity == "purchase" else "browses"):
            activity = looked
    if activity:
        check_history(console, shop, activity, findings)
    if shop.contact and shop.contact.log:
        customers += check_contacts(console, shop, shop.contact.log, settings, findings)
    check_customers(console, shop, customers, findings)
    for number, sentence in enumerate(findings.sentences, 1):
        console.print(f"  {number}. {sentence}", style="yellow")
    if findings.sentences:
        raise ChurnError(f"{shop.name}: {len(findings.sentences)} to mend, see above")
    console.print(f"{shop.name} is ready: make nightly SHOP={shop.path} AS_OF=…", style="green")


def look_at_log(open_spark, shop: Shop, log: str, settings: Settings, most_files: int, judge, findings: Findings):
    """The log's records, judged; None where there is nothing to judge."""
    intake = find_intake(shop, log, settings.home)
    try:
        files = list(_describe_files(intake, most_files))
    except ChurnError as error:
        findings.add(str(error))
        return None
    columns = look_at_files(intake, [file["path"] for file in files])
    if all(file.problem for file in columns):
        findings.add(f"{log}: {say_problems(columns)}")
        return None
    plan = CleaningPlan(EVENTS[log], "", tuple(files), tuple(files))
    judged = judge(open_spark(), plan, shop, settings).persist()
    return Looked(intake, files, judged, take_tallies(judged), columns)


def _describe_files(intake: Intake, most_files: int) -> Iterator[dict]:
    """The files as deliveries would have them, spread over time where there are many."""
    source = intake.source
    files = sorted(list_files(intake), key=lambda file: file["path"])
    for file in files[:: -(-len(files) // most_files)]:
        day = find_delivery_day(file["path"], source.delivery_day) if source.delivery_day else None
        yield file | {"delivery_id": file["path"], "delivery_day": day, "not_before": None, "seen_as_of": date.max,
                      "log": source.log}  # fmt: skip


def show_log(console: PlainConsole, shop: Shop, looked: Looked, findings: Findings) -> None:
    """One log on the screen."""
    log, accounts = looked.source.log, make_accounts(looked.tallies, tuple(looked.files))
    totals = sum_accounts(accounts)
    console.rule(f"{log}: {len(looked.files):,} files, {totals['lines_in']:,} records")
    if not totals["lines_in"]:
        findings.add(f"{log}: the files hold no records")
        return
    show_first_records(console, shop, looked)
    for sentence in show_files(console, looked.source, looked.files, looked.tallies, looked.columns):
        findings.add(sentence)
    numbers = sample_numbers(looked)
    show_reasons(console, shop, looked, totals, numbers, findings)
    for name, texts in numbers.items():
        if sentence := find_number_doubts(looked.source, name, texts, shop.currency):
            findings.add(sentence)
    if not totals["clean"]:
        findings.add(f"{log}: no record is clean")
        return
    check_events(console, looked, totals["clean"], findings)
    check_repeats(console, shop, looked, totals, findings)
    check_orders(looked, findings)


def check_orders(looked: Looked, findings: Findings) -> None:
    """Whether a mapped column stands on the first line of each order only."""
    records = sample_records(looked.intake, sorted(looked.paths.values()))
    columns = find_order_columns(records, looked.source)
    if missing := [name for name in columns if name not in looked.source.carry_down]:
        lines = max(columns[name] for name in missing)
        names = ", ".join(
            json.dumps(name, ensure_ascii=False) for name in sorted({*missing, *looked.source.carry_down})
        )
        findings.add(f"{looked.source.log}: {', '.join(map(repr, missing))} stand on the first line of an order only, "
                     f"{lines:,} further lines of those looked at lack them: carry_down = [{names}]")  # fmt: skip


def show_first_records(console: PlainConsole, shop: Shop, looked: Looked) -> None:
    """The first records of the first file that has some, what shop.toml takes from them, and what they become."""
    log, held = looked.source.log, {tally.delivery_id for tally in looked.tallies}
    first = next(file for file in looked.files if file["delivery_id"] in held)
    is_first = (F.col("delivery_id") == first["delivery_id"]) & (F.col("record_number") <= FIRST_RECORDS)
    rows = {row["record_number"]: row.asDict() for row in looked.judged.where(is_first).collect()}
    table = Table(
        "column", *(f"record {number}" for number in sorted(rows)), title=as_plain(first["path"]), show_lines=False
    )
    raw = dict(zip(range(1, FIRST_RECORDS + 1), read_records(looked.intake, first["path"]), strict=False))
    for name in CANONICAL[log]:
        if mapping := looked.source.columns.get(name):
            cells = (_raw_value(looked.source, raw[n], name) for n in sorted(rows))
            table.add_row(as_plain(mapping.column or "constant"), *map(as_plain, cells))
            becomes = (str(rows[n].get(name, "")) if rows[n]["verdict"] == "clean" else "" for n in sorted(rows))
            table.add_row(f"  → {name}", *map(as_plain, becomes), style="dim")
    table.add_row("verdict", *(" ".join([rows[n]["verdict"], *rows[n]["reasons"]]) for n in sorted(rows)), style="bold")
    console.print(table)


def _raw_value(source: Source, record: RawRecord, name: str) -> str:
    mapping = source.columns.get(name)
    if mapping is None or mapping.column is None:
        return (mapping.constant if mapping else "") or ""
    if record.values is None:
        return record.text[:40] or record.fault or ""
    return record.values[source.raw_columns.index(mapping.column)] or ""


def show_reasons(
    console: PlainConsole,
    shop: Shop,
    looked: Looked,
    totals: dict[str, int],
    numbers: dict[str, list[str]],
    findings: Findings,
) -> None:
    """Each reason with its share and examples; those that speak of a mistake in shop.toml go to the findings."""
    log, lines_in = looked.source.log, totals["lines_in"] - totals["elsewhere"]
    console.print(
        f"{totals['clean']:,} clean, {totals['quarantined']:,} quarantined ({totals['quarantined'] / lines_in:.1%}),"
        f" {totals['duplicates']:,} duplicates"
        + (f", {totals['elsewhere']:,} of other logs" if totals["elsewhere"] else "")
    )
    reasons = count_reasons(looked.tallies)
    for code, count in reasons.most_common():
        reason, examples = explain(code), find_examples(looked, code)
        shown = f", e.g. {', '.join(map(repr, examples))}" if examples else ""
        console.print(f"  {count / lines_in:6.1%}  {code}: {reason.meaning}{shown}")
        is_much = count / lines_in > SHARE_TO_MEND and code in REASONS and code not in EXPECTED | SAID_ELSEWHERE
        if is_much or is_worth_a_word(code, looked.source):
            remedy = _suggest_times(looked, shop) if code == "event_at_invalid" else ""
            remedy = remedy or find_remedy(code, shop, looked.source, examples, numbers)
            share = f"{count / lines_in:.0%}" if is_much else f"{count:,} of {lines_in:,}"
            findings.add(f"{log}: {share} have {reason.meaning}{shown}: {remedy}")
    limit, empty_lines = looked.source.max_quarantined_share, reasons[EMPTY_LINE]
    if (totals["quarantined"] - empty_lines) / max(1, lines_in - empty_lines) > limit:
        share = totals["quarantined"] / lines_in
        findings.add(
            f"{log}: {share:.0%} would be quarantined, more than max_quarantined_share"
            f" {limit:.0%}: a run would stop; mend the reasons above or raise it"
        )
    elif looked.source.delivery_day and (days := find_rejected_days(looked.tallies, limit)):
        worst, share = max(days.items(), key=lambda day: day[1])
        sentence = (
            f"{log}: {len(days):,} days have more than max_quarantined_share {limit:.0%} quarantined, {worst} has"
            f" {share:.0%}: a night would stop there; mend the reasons above, or say under [sources.{log}]"
            f" max_quarantined_share = {min(1.0, (math.floor(share * 20) + 2) / 20):.2f}"
        )
        if len(days) > SHARE_OF_DAYS * len({tally.delivery_day for tally in looked.tallies}):
            findings.add(sentence)
        else:
            console.print(f"  {sentence}")


def _suggest_times(looked: Looked, shop: Shop) -> str:
    texts = sample_times(looked.intake, sorted(looked.paths.values()))
    mapping = looked.source.columns["event_at"]
    return suggest_time_format(looked.judged.sparkSession, mapping, shop.time_zone, texts)


def sample_numbers(looked: Looked) -> dict[str, list[str]]:
    """The numbers of the first records as they are written, by canonical column."""
    source, paths = looked.source, sorted(looked.paths.values())
    names = [name for name in NUMERIC if name in source.columns and source.columns[name].column]
    texts: dict[str, list[str]] = {name: [] for name in names}
    for path in paths[:: -(-len(paths) // LOOKED_FILES)]:
        for record in islice(read_records(looked.intake, path), LOOKED_RECORDS):
            for name in names if record.values else ():
                if text := _raw_value(source, record, name).strip():
                    texts[name].append(text)
    return texts


def find_examples(looked: Looked, code: str) -> list[str]:
    """Some different raw values of the column that a reason speaks of, from the first places where it occurs."""
    column = explain(code).column
    column = "amount" if column == "unit_price" and "amount" in looked.source.columns else column
    if column is None or code.endswith("_missing") or column not in looked.source.columns:
        return []
    rejected = looked.judged.where(F.array_contains("reasons", code)).select("delivery_id", "record_number")
    places = rejected.orderBy("delivery_id", "record_number").limit(20 * EXAMPLES).collect()
    wanted = {(row["delivery_id"], row["record_number"]) for row in places}
    values: dict[str, None] = {}
    for delivery_id in dict.fromkeys(row["delivery_id"] for row in places):
        for number, record in enumerate(read_records(looked.intake, looked.paths[delivery_id]), 1):
            if (delivery_id, number) in wanted and record.values:
                values[_raw_value(looked.source, record, column)] = None
            if len(values) == EXAMPLES:
                return list(values)
    return list(values)


def check_events(console: PlainConsole, looked: Looked, clean: int, findings: Findings) -> None:
    """The range of days, the customers, and whether both are plausible."""
    log, events = looked.source.log, looked.judged.where(F.col("verdict") == "clean")
    told = events.agg(
        F.min("event_day").alias("first"), F.max("event_day").alias("last"),
        F.count_distinct("customer_id").alias("customers"),
    ).first()  # fmt: skip
    console.print(f"events of {told['first']} to {told['last']}, {told['customers']:,} customers")
    if looked.source.delivery_day and (lag := find_swapped_lag(events)):
        findings.add(f"{log}: half of the files hold events of {lag} days before, which would be of the file's week "
                     "with day and month swapped: check the format of event_at, and delivery_day")  # fmt: skip
    if looked.source.delivery_day and not looked.source.delivery_day.zone:
        check_ahead(console, looked, events, clean, findings)


def check_repeats(
    console: PlainConsole, shop: Shop, looked: Looked, totals: dict[str, int], findings: Findings
) -> None:
    """Whether duplicates say again what counts, and what is said again has not changed."""
    source, conflicts = looked.source, count_conflicts(looked.judged, looked.source)
    if conflicts.records:
        sentence = f"{source.log}: {conflicts.describe(source)}"
        if conflicts.records / totals["lines_in"] > (source.max_conflicting_share or 0):
            findings.add(sentence)
        else:
            console.print(f"  {sentence}")
        return
    can_change = totals["duplicates"] and "event_id" not in source.columns
    if can_change and (changed := count_changed(looked.judged, shop.time_zone)):
        findings.add(f"{source.log}: {changed:,} records came again in a later file with other content and count twice:"
                     f" map the number that a record keeps to event_id under sources.{source.log}.columns")  # fmt: skip


def check_customers(console: PlainConsole, shop: Shop, customers: list[LogCustomers], findings: Findings) -> None:
    """Whether the ids mean customers, and the same ones in all logs."""
    console.rule("customers")
    told = judge_customers(customers, shop.needed_log, shop.customer_ids)
    for note in told.notes:
        console.print(f"  {note}")
    for finding in told.findings:
        findings.add(finding)


def check_ahead(console: PlainConsole, looked: Looked, events: DataFrame, clean: int, findings: Findings) -> None:
    """How many events are of a later day than their file's, and the setting that says why."""
    log, named = looked.source.log, looked.source.delivery_day
    days, count = measure_days_ahead(looked.judged)
    if count > SHARE_TO_MEND * (clean + count) and days - named.lag_days <= MOST_LAG_DAYS:
        setting = f"delivery_day = {{ pattern = '{named.pattern}', lag_days = {named.lag_days - days} }}"
        findings.add(f"{log}: {count / (clean + count):.0%} of the events are up to {days} days later than their file's"
                     f" day. Files that are named by the first of their days need {setting}")  # fmt: skip
        return
    next_day = F.date_add("delivery_day", named.lag_days + 1).cast("timestamp")
    ahead = events.where(F.col("event_day") > F.col("delivery_day"))
    late = {zone: F.count_if(F.col("event_at") >= F.to_utc_timestamp(next_day, zone)) for zone in TRIED_ZONES}
    found = ahead.agg(F.count("*").alias("count"), *(count.alias(zone) for zone, count in late.items())).first()
    share = found["count"] / clean
    if not found["count"]:
        return
    console.print(f"{share:.1%} of the events are of the day after their file's: each counts from its own day on")
    if share <= SHARE_AHEAD:
        return
    zone = next((zone for zone in TRIED_ZONES if found[zone] <= SHARE_AHEAD * found["count"]), None)
    is_other_zone = zone and share < SHARE_OF_NEXT_DAY
    why = f"named by the day of another zone, like {zone}" if is_other_zone else "made in the course of the next day"
    setting = f'zone = "{zone}"' if is_other_zone else f"lag_days = {named.lag_days - 1}"
    findings.add(f"{log}: {share:.1%} of the events are of the day after their file's. Files that are {why}, need "
                 f"delivery_day = {{ pattern = '{named.pattern}', {setting} }}")  # fmt: skip


def measure_days_ahead(judged: DataFrame) -> tuple[int, int]:
    """By how many days at most nearly all events that are rejected for it are later than their file, and how many
    events these are."""
    rejected = judged.where(F.array_contains("reasons", "event_after_delivery"))
    days = F.percentile_approx(F.date_diff("event_day", "delivery_day"), 0.99)
    return rejected.agg(F.coalesce(days, F.lit(0)), F.count("*")).first()


def check_history(console: PlainConsole, shop: Shop, looked: Looked, findings: Findings) -> None:
    """The churn rate per horizon at the last day that shows it, and whether there is enough to train on."""
    console.rule("churn")
    events = looked.judged.where(F.col("verdict") == "clean")
    if looked.source.log == "purchases":
        sums = [F.expr(m.sql).alias(m.name) for m in MEASURES if m.name in ("sale_count", "spend", "refund")]
        days = events.groupBy("customer_id", "event_day").agg(*sums)
        events = leave_out_undone(days, shop.churn.undone_within_days).where("sale_count > 0")
    active = events.select("customer_id", "event_day").distinct().persist()
    first, last = active.agg(F.min("event_day"), F.max("event_day")).first()
    if first is None:
        findings.add(f"no {shop.churn.activity} by anybody: nobody can be eligible")
        return
    churned = {}
    for horizon in shop.churn.horizons_days:
        as_of = last - timedelta(days=horizon)
        churned[horizon] = rate, count = measure_churn(active, as_of, horizon)
        told = f"{rate:.0%} of {count:,} customers churned" if count else "nobody was active in as many days before"
        console.print(f"  {horizon} days: {told}, as of {as_of}")
    for note in judge_horizons(churned, measure_rhythm(active), shop.churn.activity):
        console.print(f"  {note}", style="yellow")
    active.unpersist()
    days, needed = (last - first).days + 1, history_needed_days(shop.churn)
    console.print(f"history: {days} days; a training needs {needed}")
    if days < needed:
        findings.add(f"the history is {needed - days} days too short to train on: load older files, wait, or shorten "
                     f"churn.horizons_days, of which the longest is {shop.churn.horizons_days[-1]}")  # fmt: skip


def check_contacts(
    console: PlainConsole, shop: Shop, log: Source, settings: Settings, findings: Findings
) -> list[LogCustomers]:
    """Whether the files of contact.log can be read, and what they say; gives the customers in them."""
    console.rule("contacts")
    try:
        told = list(read_contacts(log, log.folder(settings.home), shop))
    except ChurnError as error:
        findings.add(str(error))
        return []
    if not told:
        findings.add("contacts: the files hold no records")
        return []
    customers, days = zip(*told, strict=True)
    console.print(f"{len(days):,} contacts of {min(days)} to {max(days)}, {len(set(customers)):,} customers")
    met = {customer: Met(count, 1) for customer, count in Counter(customers).items()}
    return [LogCustomers("contacts", met, (max(days) - min(days)).days + 1)]


def measure_churn(active: DataFrame, as_of: date, horizon: int) -> tuple[float, int]:
    """Of those active in the horizon up to as_of, the share who were not in the one after it; and how many they are."""
    before, after = activity_window(as_of, horizon), label_window(as_of, horizon)

    def inside(window) -> DataFrame:
        return active.where(F.col("event_day").between(window.first, window.last)).select("customer_id").distinct()

    customers = inside(before).count()
    stayed = inside(before).join(inside(after), "customer_id", how="left_semi").count()
    return 1 - stayed / customers if customers else 0.0, customers


def measure_rhythm(active: DataFrame) -> Rhythm:
    """How often customers come back. active: one row for each customer and day with activity."""
    first, last, count = F.min("event_day"), F.max("event_day"), F.count("*")
    gap = F.when(count > 1, F.date_diff(last, first) / (count - 1)).alias("gap")
    found = active.groupBy("customer_id").agg(gap).agg(
        F.avg(F.col("gap").isNull().cast("double")).alias("once"), F.percentile_approx("gap", 0.5).alias("gap")
    ).first()  # fmt: skip
    return Rhythm(found["once"], found["gap"])


def make_check_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m spark_jobs.clean check", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("shop", metavar="SHOP.toml", help="the shop's file")
    parser.add_argument("--files", type=int, default=400, help="look at no more files of each log, spread over time")
    return parser
