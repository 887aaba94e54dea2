"""The report on one log: its first records, what becomes of all records, and the findings."""

from __future__ import annotations

from itertools import islice

from pyspark.sql import functions as F

from spark_jobs.checking.days_only import find_time_column
from spark_jobs.checking.delivery_days import check_delivery_days
from spark_jobs.checking.files import show_files
from spark_jobs.checking.findings import Findings
from spark_jobs.checking.free_sales import check_free_sales
from spark_jobs.checking.guests import check_guests
from spark_jobs.checking.judged_log import JudgedLog, raw_value, sample_numbers
from spark_jobs.checking.last_lines import show_last_lines
from spark_jobs.checking.numbered import check_numbered
from spark_jobs.checking.orders import check_orders
from spark_jobs.checking.other_amounts import check_other_amounts
from spark_jobs.checking.overview import show_files_lines, show_overview
from spark_jobs.checking.parts import check_parts
from spark_jobs.checking.reasons import show_reasons
from spark_jobs.checking.repeats import check_repeats
from spark_jobs.checking.statuses import check_statuses
from spark_jobs.checking.stray_quotes import check_quotes
from spark_jobs.checking.values import find_number_doubts
from spark_jobs.cleaning.accounts import NO_RECORD, make_accounts, sum_accounts
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.shop.model import Shop
from spark_jobs.raw.reader import read_records
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.screen import ScreenColumn, show_table

FIRST_RECORDS = 3


def show_log(console: PlainConsole, shop: Shop, judged: JudgedLog, findings: Findings) -> None:
    """Prints the report on one log."""
    log, accounts = judged.source.log, make_accounts(judged.tallies, tuple(judged.files))
    totals = sum_accounts(accounts)
    console.rule(f"{log}: {len(judged.files):,} files, {totals['lines_in']:,} records")
    if not totals["lines_in"]:
        findings.add(f"{log}: the files hold no records")
        return
    show_first_records(console, shop, judged)
    show_files_lines(console, accounts)
    for sentence in show_files(console, judged.source, judged.files, judged.tallies, judged.columns):
        findings.add(sentence)
    show_last_lines(console, judged)
    check_quotes(judged, findings)
    check_numbered(judged, findings)
    check_other_amounts(judged, findings)
    if time_column := find_time_column(judged):
        console.print(time_column)
    numbers = sample_numbers(judged)
    check_statuses(judged, findings)
    check_guests(console, judged)
    check_parts(console, judged)
    show_reasons(console, shop, judged, totals, numbers, findings)
    for name in numbers:
        if doubt := find_number_doubts(judged.source, name, numbers, shop.currency):
            findings.add(doubt)
    if not totals["clean"]:
        findings.add(f"{log}: no record is clean")
        return
    check_events(console, shop, judged, totals["clean"], findings)
    check_repeats(console, shop, judged, totals, findings)
    check_orders(judged, findings)
    check_free_sales(judged, findings)


def show_first_records(console: PlainConsole, shop: Shop, judged: JudgedLog) -> None:
    """Prints the first records of the first file with records: raw values, mapped values and verdicts. Lines without
    data, as before a header, are shown only if there are no others."""
    log, with_records = judged.source.log, {tally.delivery_id for tally in judged.tallies}
    first = next(file for file in judged.files if file["delivery_id"] in with_records)
    has_no_data = F.arrays_overlap("reasons", F.array(*map(F.lit, sorted(NO_RECORD))))
    of_file = judged.records.where(F.col("delivery_id") == first["delivery_id"])
    chosen = of_file.orderBy(has_no_data, "record_number").limit(FIRST_RECORDS).collect()
    rows = {row["record_number"]: row.asDict() for row in chosen}
    raw = dict(enumerate(islice(read_records(judged.intake, first["path"]), max(rows)), 1))
    mapped = {name: judged.source.columns[name] for name in LOGS[log].canonical if name in judged.source.columns}
    labels = [label for name, one in mapped.items()
              for label in (" ".join(one.raw_columns) or "constant", f"  → {name}")]  # fmt: skip
    columns = [ScreenColumn("column", [*labels, "verdict"])]
    for importance, (n, row) in enumerate(sorted(rows.items())):
        is_clean = row["verdict"] == "clean"
        cells = []
        for name in mapped:
            cells += [raw_value(judged.source, raw[n], name), str(row.get(name, "")) if is_clean else ""]
        verdict = " ".join([row["verdict"], *row["reasons"]])
        columns.append(ScreenColumn(f"record {n}", [*cells, verdict], importance))
    show_table(console, first["path"], columns, [None, "dim"] * len(mapped) + ["bold"])


def check_events(console: PlainConsole, shop: Shop, judged: JudgedLog, clean: int, findings: Findings) -> None:
    """Prints the range of days and the number of customers, and checks both."""
    events = judged.records.where(F.col("verdict") == "clean")
    findings.last_days[judged.source.log] = show_overview(console, shop, judged, events)
    check_delivery_days(console, judged, events, clean, findings)
