"""Checks that a log's events are near the delivery days of their files; else suggests the setting that is wrong."""

from __future__ import annotations

from statistics import median

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.checking.findings import TOLERATED_SHARE, Findings
from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.contract.shop.path_days import write_setting
from spark_jobs.contract.shop.source import DeliveryDay
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.frames import first_row

#: Zones to try, in this order, if events are later than the day of their file. Then shares of events: from the first on
#: it is reported, from the second on it is more than a zone explains.
TRIED_ZONES = ("UTC", "America/New_York", "America/Los_Angeles")
MOST_LAG_DAYS = 31
SHARE_AHEAD, SHARE_OF_NEXT_DAY = 0.002, 0.3


def check_delivery_days(
    console: PlainConsole, judged: JudgedLog, events: DataFrame, clean: int, findings: Findings
) -> None:
    """Reports events that are far from the day of their file. events: the clean ones; clean: their number."""
    named = judged.source.delivery_day
    if named and (lag := find_swapped_lag(events)):
        findings.add(f"{judged.source.log}: the events of half of the files are {lag} days older than the file, but of"
                     " the same week if day and month are swapped: check the formats of event_at and"
                     " delivery_day")  # fmt: skip
    if named and not named.zone:
        check_ahead(console, judged, named, events, clean, findings)


def check_ahead(
    console: PlainConsole, judged: JudgedLog, named: DeliveryDay, events: DataFrame, clean: int, findings: Findings
) -> None:
    """Reports events that are later than the day of their file, and suggests a setting."""
    log = judged.source.log
    days, count = measure_days_ahead(judged.records)
    if count > TOLERATED_SHARE * (clean + count) and days - named.lag_days <= MOST_LAG_DAYS:
        setting = write_setting(named.pattern, named.format, lag_days=named.lag_days - days)
        findings.add(f"{log}: {count / (clean + count):.0%} of the events are up to {days} days later than their file's"
                     f" day. If files are named after the first of their days, set under [sources.{log}]"
                     f" {setting}")  # fmt: skip
        return
    next_day = F.date_add("delivery_day", named.lag_days + 1).cast("timestamp")
    ahead = events.where(F.col("event_day") > F.col("delivery_day"))
    late = {zone: F.count_if(F.col("event_at") >= F.to_utc_timestamp(next_day, zone)) for zone in TRIED_ZONES}
    found = first_row(ahead.agg(F.count("*").alias("count"), *(count.alias(zone) for zone, count in late.items())))
    share = found["count"] / clean
    if not found["count"]:
        return
    console.print(f"{share:.1%} of the events are one day later than their file: each counts from its own day on")
    if share <= SHARE_AHEAD:
        return
    zone = next((zone for zone in TRIED_ZONES if found[zone] <= SHARE_AHEAD * found["count"]), None)
    is_other_zone = zone and share < SHARE_OF_NEXT_DAY
    why = f"named after the day of another time zone, like {zone}" if is_other_zone else "made during the next day"
    more = {"zone": zone} if is_other_zone else {"lag_days": named.lag_days - 1}
    findings.add(f"{log}: {share:.1%} of the events are one day later than their file. If files are {why}, set under"
                 f" [sources.{log}] "
                 f"{write_setting(named.pattern, named.format, **more)}")  # fmt: skip


def measure_days_ahead(judged: DataFrame) -> tuple[int, int]:
    """(days, events): nearly all events that are rejected as later than their file are at most so many days later."""
    rejected = judged.where(F.array_contains("reasons", "event_after_delivery"))
    days = F.percentile_approx(F.date_diff("event_day", "delivery_day"), 0.99)
    most, count = first_row(rejected.agg(F.coalesce(days, F.lit(0)), F.count("*")))
    return most, count


NEAR_DAYS = 7  # events of most files are at most this old


def find_swapped_lag(events: DataFrame) -> int | None:
    """How many days the events of most files are older than their file, if swapping their day and month would bring
    them near; else None. Files with old events only do not count.
    """
    month = F.least(F.day("event_day"), F.lit(12))  # Spark may evaluate this for days that are filtered out below
    swapped = F.make_date(F.year("event_day"), month, F.month("event_day"))
    lag, other_lag = F.date_diff("delivery_day", "event_day"), F.abs(F.date_diff("delivery_day", swapped))
    may_be_swapped = events.where(F.day("event_day") <= 12).groupBy("delivery_id")
    files = may_be_swapped.agg(
        F.percentile_approx(lag, 0.5).alias("lag"), F.percentile_approx(other_lag, 0.5).alias("other_lag")
    ).collect()
    if not files or median(row["other_lag"] for row in files) > NEAR_DAYS:
        return None
    days = int(median(row["lag"] for row in files))
    return days if days > NEAR_DAYS else None
