"""Reads a day and the weeks before it from the lake, and checks volume and values by log and by customer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.measures import available_measures
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, quarantine
from spark_jobs.lake.store import Lake
from training.monitoring.findings import Finding
from training.monitoring.thresholds import USUAL_WEEKS
from training.monitoring.values import check_largest, check_refunds, check_values
from training.monitoring.volume import check_volume, excuse_quiet_day, find_delay
from training.tensors.money import MEASURES, find_excess
from training.tensors.rows import read_rows
from training.tensors.series import Series

#: The measures that count a log's records.
COUNTS = {name: log.counted_by for name, log in LOGS.items()}
#: Subject -> (numerator, denominator): the ratio is compared by its median over the customers of a day.
VALUES = {subject: ratio for log in LOGS.values() for subject, ratio in log.typical.items()}
#: The prefix of rejection reasons that concern a whole file.
FILE_REASONS = "file_"


def read_days(lake: Lake, as_of: date, since: date | None = None, known: date | None = None) -> pd.DataFrame:
    """Rows of customer_day since `since`, as known at the end of `known`.

    since: by default USUAL_WEEKS before as_of. known: by default as_of.
    Measures are floats; `late` is the number of days between the events and their delivery.
    """
    deliveries = [day for day in lake.partitions(CUSTOMER_DAY) if day <= (known or as_of).isoformat()]
    first = since or as_of - timedelta(weeks=USUAL_WEEKS)
    is_inside = (pc.field("event_day") >= pa.scalar(first)) & (pc.field("event_day") <= pa.scalar(as_of))
    names = sorted({name for pair in (*COUNTS.values(), *VALUES.values()) for name in pair})
    columns = {name: pc.field(name).cast(pa.float64()) for name in names}
    event_day, delivery_day = pc.field("event_day"), pc.field("delivery_day").cast(pa.date32())
    columns |= {"event_day": event_day, "late": pc.days_between(event_day, delivery_day)}
    rows = lake.dataset(CUSTOMER_DAY, deliveries).to_table(columns=columns, filter=is_inside)
    return rows.to_pandas(split_blocks=True, self_destruct=True)  # no second copy of so many rows


def find_whole_logs(lake: Lake, shop: Shop, as_of: date) -> set[str]:
    """The logs whose files of this delivery day are present and could be read completely, and all logs whose file paths
    contain no day."""
    whole = {log for log, source in shop.sources.items() if source.delivery_day is None}
    for log in shop.sources.keys() - whole:
        files = lake.arrow(DELIVERIES, [log], columns=["delivery_id", "delivery_day"])
        files = files.filter(pc.equal(files["delivery_day"], pa.scalar(as_of)))["delivery_id"].to_pylist()
        read = lake.arrow(ACCOUNTS, [log], columns=["delivery_id"])["delivery_id"].to_pylist()
        reasons = lake.arrow(quarantine(log), [as_of.isoformat()], columns=["reasons"])["reasons"]
        is_broken = pc.any(pc.starts_with(pc.list_flatten(reasons), FILE_REASONS)).as_py()
        if files and set(files) <= set(read) and not is_broken:
            whole.add(log)
    return whole


def monitor_days(
    days: pd.DataFrame, shop: Shop, as_of: date, known: date | None = None, whole_logs: Collection[str] = ()
) -> Iterator[Finding]:
    """Checks volume and values.

    days: from read_days, as known at the end of `known`, by default as_of.
    whole_logs: from find_whole_logs; by default no files count as complete.
    """
    yield from excuse_quiet_day(list(_monitor_volumes(days, shop, as_of, known)), whole_logs)
    mapped = {measure.name for measure in available_measures(shop.mapped_columns)}
    for subject, (total, count) in VALUES.items():
        if {total, count} <= mapped:
            having = days.loc[days[count] > 0, ["event_day", total, count]]
            by_day = (having[total] / having[count]).groupby(having["event_day"])
            yield check_values(by_day.agg(["median", "count"]), subject, as_of)


def _monitor_volumes(days: pd.DataFrame, shop: Shop, as_of: date, known: date | None) -> Iterator[Finding]:
    for log in shop.sources:
        records = sum(days[name] for name in COUNTS[log])
        of_log = days.loc[records > 0, ["event_day", "late"]].assign(records=records[records > 0])
        delay = find_delay(of_log.groupby("event_day")["late"].min())
        in_time = of_log[of_log["late"] <= delay + ((known or as_of) - as_of).days]
        by_day = in_time.groupby("event_day").agg(records=("records", "sum"), customers=("records", "count"))
        yield check_volume(by_day, log, shop, as_of - timedelta(days=delay))


def monitor_largest(lake: Lake, shop: Shop, as_of: date, known: date | None) -> list[Finding]:
    """Compares the largest purchases and refund of one customer on the day with those of the weeks before."""
    subjects = {measure: subject for log in shop.sources for measure, subject in LOGS[log].largest.items()}
    if not subjects:
        return []
    deliveries = [day for day in lake.partitions(CUSTOMER_DAY) if day <= (known or as_of).isoformat()]
    first = as_of - timedelta(weeks=USUAL_WEEKS)
    is_inside = (pc.field("event_day") >= pa.scalar(first)) & (pc.field("event_day") <= pa.scalar(as_of))
    columns = ["customer_id", "event_day", *subjects]
    rows = lake.dataset(CUSTOMER_DAY, deliveries).to_table(columns=columns, filter=is_inside)
    days = rows.group_by(["customer_id", "event_day"]).aggregate([(name, "sum") for name in subjects])
    is_today = pc.equal(days["event_day"], pa.scalar(as_of))
    today, before = days.filter(is_today), days.filter(pc.invert(is_today))
    findings = []
    for name, subject in subjects.items():
        values = today[f"{name}_sum"].cast(pa.float64()).to_numpy()
        customer = today["customer_id"][int(values.argmax())].as_py() if len(values) else None
        usual = before[f"{name}_sum"].cast(pa.float64()).to_numpy().max(initial=0.0)
        largest = values.max(initial=0.0)
        findings.append(check_largest(subject, customer, largest, usual, as_of, shop.currency))
    return findings


def monitor_refunds(lake: Lake, shop: Shop, as_of: date) -> Finding:
    """Checks how much the refunds of tonight's customers exceed what they ever paid."""
    series = Series(lake.dataset(CUSTOMER_SERIES, [as_of.isoformat()]), as_of, rows_in_memory=0)
    found = [find_excess(read_rows(chunk, MEASURES)) for chunk in series.chunks()]
    customers, *sums = map(sum, zip(*found, strict=True)) if found else (0, 0.0, 0.0)
    excess, paid = (round(amount, 2) for amount in sums)  # whatever the order of the customers was
    return check_refunds(customers, excess, paid, shop.currency)
