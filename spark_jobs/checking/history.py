"""Measures the churn rate at each horizon, and checks that the history is long enough for training."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.checking.findings import Findings
from spark_jobs.checking.horizons import Rhythm, judge_horizons
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.cleaning.cache import persist, unpersist
from spark_jobs.cleaning.undone import leave_out_undone
from spark_jobs.contract.label_delay import find_delay_window, find_label_delay
from spark_jobs.contract.measures import ACTIVITY_MEASURES, MEASURES
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.windows import activity_window, history_needed_days, label_window
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.frames import first_row


def check_history(console: PlainConsole, shop: Shop, judged: JudgedLog, findings: Findings) -> None:
    """Prints the newest measurable churn rate of each horizon, and checks the length of the history."""
    console.rule("churn")
    events = judged.records.where(F.col("verdict") == "clean")
    if shop.churn.activity == "purchase":
        sums = [F.expr(m.sql).alias(m.name) for m in MEASURES if m.name in ("sale_count", "spend", "refund")]
        days = events.groupBy("customer_id", "event_day").agg(*sums)
        events = leave_out_undone(days, shop.churn.undone_within_days).where("sale_count > 0")
    active = persist(events.select("customer_id", "event_day").distinct())
    first, last = first_row(active.agg(F.min("event_day"), F.max("event_day")))
    if first is None:
        findings.add(
            f"no clean record is a {shop.churn.activity}, so no customer is eligible: check the mapping of the log"
        )
        return
    churned = {}
    for horizon in shop.churn.horizons_days:
        as_of = last - timedelta(days=horizon)
        churned[horizon] = rate, count = measure_churn(active, as_of, horizon)
        finding = (
            f"{rate:.0%} of {count:,} customers churned"
            if count
            else f"no customer was active in the {horizon} days before"
        )
        console.print(f"  {horizon} days: {finding}, as of {as_of}")
    for note in judge_horizons(churned, measure_rhythm(active), shop.churn.activity):
        console.print(f"  {note}", style="yellow")
    unpersist(active)
    delay = measure_delay(judged.records.where(F.col("verdict") == "clean"), shop, last)
    days, needed = (last - first).days + 1, history_needed_days(shop.churn, delay)
    waits = f", because files arrive up to {delay} days late" if delay else ""
    console.print(f"history: {days} days; a training needs {needed}{waits}")
    if days < needed:
        findings.add(f"the history is {needed - days} days too short to train on: load older files, wait, or shorten "
                     f"churn.horizons_days, of which the longest is {shop.churn.horizons_days[-1]}")  # fmt: skip


def measure_churn(active: DataFrame, as_of: date, horizon: int) -> tuple[float, int]:
    """(churn rate, customers): of customers active in the horizon up to as_of, the share inactive in the horizon after
    it."""
    before, after = activity_window(as_of, horizon), label_window(as_of, horizon)

    def inside(window) -> DataFrame:
        return active.where(F.col("event_day").between(window.first, window.last)).select("customer_id").distinct()

    customers = inside(before).count()
    stayed = inside(before).join(inside(after), "customer_id", how="left_semi").count()
    return 1 - stayed / customers if customers else 0.0, customers


def measure_delay(events: DataFrame, shop: Shop, known: date) -> int:
    """The label delay in days, as training will measure it."""
    window = find_delay_window(known)
    sums = {m.name: F.expr(m.sql).alias("records") for m in MEASURES}
    late_days = F.date_diff("delivery_day", "event_day").alias("late_days")
    inside = events.where(F.col("event_day").between(window.first, window.last))
    rows = inside.groupBy(late_days).agg(sums[ACTIVITY_MEASURES[shop.churn.activity]]).collect()
    return find_label_delay({row["late_days"]: row["records"] for row in rows}, shop.churn.horizons_days[0])


def measure_rhythm(active: DataFrame) -> Rhythm:
    """How often customers return. active: one row per customer and day with activity."""
    first, last, count = F.min("event_day"), F.max("event_day"), F.count("*")
    gap = F.when(count > 1, F.date_diff(last, first) / (count - 1)).alias("gap")
    found = first_row(active.groupBy("customer_id").agg(gap).agg(
        F.avg(F.col("gap").isNull().cast("double")).alias("once"), F.percentile_approx("gap", 0.5).alias("gap")
    ))  # fmt: skip
    return Rhythm(found["once"], found["gap"])
