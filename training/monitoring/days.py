"""Reads a day and the weeks before it from the lake, and checks volume and values by log and by customer."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from datetime import date, timedelta
from operator import itemgetter

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from spark_jobs.contract.ledger_tables import ACCOUNTS, DELIVERIES
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.measures import available_measures
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, quarantine
from spark_jobs.lake.store import Lake
from training.monitoring.findings import Finding
from training.monitoring.parts import split_customers
from training.monitoring.thresholds import USUAL_DAYS, USUAL_WEEKS
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
#: So many rows become a DataFrame at a time.
ROWS_PER_PART = 250_000
#: The largest value, and its customer, of no rows.
NO_LARGEST: tuple[float, str | None] = (-math.inf, None)


def read_days(
    lake: Lake, shop: Shop, as_of: date, since: date | None = None, known: date | None = None
) -> Iterator[pd.DataFrame]:
    """Rows of customer_day since `since`, as known at the end of `known`, some at a time.

    since: by default USUAL_WEEKS before as_of. known: by default as_of.
    Measures are floats; `late` is the number of days between the events and their delivery.
    """
    deliveries = [day for day in lake.partitions(CUSTOMER_DAY) if day <= (known or as_of).isoformat()]
    is_inside = _is_between(since or as_of - timedelta(weeks=USUAL_WEEKS), as_of)
    names = sorted({name for log in shop.sources for name in COUNTS[log]}.union(*_list_values(shop).values()))
    columns = {name: pc.field(name).cast(pa.float64()) for name in names}
    event_day, delivery_day = pc.field("event_day"), pc.field("delivery_day").cast(pa.date32())
    columns |= {"event_day": event_day, "late": pc.days_between(event_day, delivery_day)}
    rows = lake.dataset(CUSTOMER_DAY, deliveries)
    scanner = rows.scanner(columns=columns, filter=is_inside, batch_readahead=1, fragment_readahead=1)
    yield scanner.head(0).to_pandas()  # so that there are columns even without rows
    waiting: list[pa.RecordBatch] = []
    for batch in scanner.to_batches():
        waiting.append(batch)
        if sum(map(len, waiting)) >= ROWS_PER_PART:
            yield pa.Table.from_batches(waiting).to_pandas()
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting).to_pandas()


def _is_between(first: date, last: date) -> pc.Expression:
    return (pc.field("event_day") >= pa.scalar(first)) & (pc.field("event_day") <= pa.scalar(last))


def _list_values(shop: Shop) -> dict[str, tuple[str, str]]:
    """Of VALUES, what the shop's files contain."""
    mapped = {measure.name for measure in available_measures(shop.mapped_columns)}
    return {subject: ratio for subject, ratio in VALUES.items() if mapped.issuperset(ratio)}


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
    days: Iterable[pd.DataFrame], shop: Shop, as_of: date, known: date | None = None, whole_logs: Collection[str] = ()
) -> Iterator[Finding]:
    """Checks volume and values.

    days: from read_days, as known at the end of `known`, by default as_of.
    whole_logs: from find_whole_logs; by default no files count as complete.
    """
    values = _list_values(shop)
    volumes: dict[str, list[pd.DataFrame]] = {log: [] for log in shop.sources}
    ratios: dict[str, list[pd.Series]] = {subject: [] for subject in values}
    for part in days:
        for log, volume in volumes.items():
            volume.append(_sum_volume(part, log))
        recent = part[part["event_day"] >= as_of - timedelta(days=USUAL_DAYS)]
        for subject, (total, count) in values.items():
            having = recent[recent[count] > 0]
            ratios[subject].append((having[total] / having[count]).set_axis(having["event_day"]))
    checked = [_monitor_volume(pd.concat(parts), log, shop, as_of, known) for log, parts in volumes.items()]
    yield from excuse_quiet_day(checked, whole_logs)
    for subject, parts in ratios.items():
        by_day = pd.concat(parts).groupby(level="event_day")
        yield check_values(by_day.agg(["median", "count"]), subject, as_of)


def _sum_volume(days: pd.DataFrame, log: str) -> pd.DataFrame:
    """By event_day and late: the number of `records` of the log, and of `customers` with records."""
    records = sum(days[name] for name in COUNTS[log])
    of_log = days.loc[records > 0, ["event_day", "late"]].assign(records=records[records > 0])
    sums = of_log.groupby(["event_day", "late"]).agg(records=("records", "sum"), customers=("records", "count"))
    return sums.reset_index()


def _monitor_volume(sums: pd.DataFrame, log: str, shop: Shop, as_of: date, known: date | None) -> Finding:
    """sums: from _sum_volume, of all parts."""
    delay = find_delay(sums.groupby("event_day")["late"].min())
    in_time = sums[sums["late"] <= delay + ((known or as_of) - as_of).days]
    by_day = in_time.groupby("event_day")[["records", "customers"]].sum()
    return check_volume(by_day, log, shop, as_of - timedelta(days=delay))


def monitor_largest(lake: Lake, shop: Shop, as_of: date, known: date | None) -> list[Finding]:
    """Compares the largest purchases and refund of one customer on the day with those of the weeks before."""
    subjects = {measure: subject for log in shop.sources for measure, subject in LOGS[log].largest.items()}
    if not subjects:
        return []
    deliveries = [day for day in lake.partitions(CUSTOMER_DAY) if day <= (known or as_of).isoformat()]
    rows, is_inside = lake.dataset(CUSTOMER_DAY, deliveries), _is_between(as_of - timedelta(weeks=USUAL_WEEKS), as_of)
    largest = dict.fromkeys(subjects, NO_LARGEST)
    usual = dict.fromkeys(subjects, 0.0)
    for customers in split_customers(rows.count_rows(filter=is_inside)):
        days = _sum_days(rows, is_inside & customers.contains("customer_id"), [*subjects])
        is_today = pc.field("event_day") == pa.scalar(as_of)
        for name in subjects:
            largest[name] = max(largest[name], _find_largest(days.filter(is_today), name), key=itemgetter(0))
            usual[name] = max(usual[name], _find_largest(days.filter(~is_today), name)[0])
        del days  # before the next are read
    return [
        check_largest(subject, largest[name][1], max(0.0, largest[name][0]), usual[name], as_of, shop.currency)
        for name, subject in subjects.items()
    ]


def _sum_days(rows: ds.Dataset, condition: pc.Expression, names: list[str]) -> pa.Table:
    """The measures of each customer and day, over all deliveries."""
    keys = ["customer_id", "event_day"]
    scanner = rows.scanner(columns=[*keys, *names], filter=condition, batch_readahead=1, fragment_readahead=1)
    days = scanner.to_table().group_by(keys).aggregate([(name, "sum") for name in names])
    return days.rename_columns([*keys, *names])


def _find_largest(days: pa.Table, name: str) -> tuple[float, str | None]:
    """The largest value, and its customer, the first by key; NO_LARGEST if there are no rows."""
    if not days.num_rows:
        return NO_LARGEST
    largest = pc.max(days[name])
    return float(largest.as_py()), pc.min(days.filter(pc.equal(days[name], largest))["customer_id"]).as_py()


def monitor_refunds(lake: Lake, shop: Shop, as_of: date) -> Finding:
    """Checks how much the refunds of tonight's customers exceed what they ever paid."""
    series = Series(lake.dataset(CUSTOMER_SERIES, [as_of.isoformat()]), as_of, rows_in_memory=0)
    found = [find_excess(read_rows(chunk, MEASURES)) for chunk in series.chunks()]
    customers, *sums = map(sum, zip(*found, strict=True)) if found else (0, 0.0, 0.0)
    excess, paid = (round(amount, 2) for amount in sums)  # whatever the order of the customers was
    return check_refunds(customers, excess, paid, shop.currency)
