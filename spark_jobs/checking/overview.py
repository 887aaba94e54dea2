"""A summary that a shop's owner can verify: money, customers and days by month, and the lines of the files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.checking.judged_log import JudgedLog
from spark_jobs.contract.shop.model import Shop
from spark_jobs.runtime.console import PlainConsole
from spark_jobs.runtime.screen import ScreenColumn, show_table

MOST_FILES = 12  # more files are summarised
MOST_DAYS = 2 * 366  # longer histories are shown by year instead of month


def show_overview(console: PlainConsole, shop: Shop, judged: JudgedLog, events: DataFrame) -> date:
    """Returns the day of the newest event. events: the clean ones."""
    log, has_money = judged.source.log, "amount" in events.columns
    day = F.col("event_day")
    periods = F.date_format(day, "yyyy").alias("year"), F.date_format(day, "yyyy-MM").alias("month")
    found = [row.asDict() for row in events.rollup(*periods).agg(*_sum_up(has_money)).collect()]
    total = next(row for row in found if row["year"] is None)
    first, last = total["first"], total["last"]
    by_year = (last - first).days > MOST_DAYS
    rows = [row for row in found if row["year"] and (row["month"] is None) == by_year]
    rows.sort(key=lambda row: (row["year"], row["month"] or ""))
    console.print(_describe(total, first, last, shop.currency if has_money else None))
    columns = [
        ScreenColumn("year" if by_year else "month", [row["month"] or row["year"] for row in rows]),
        ScreenColumn("events", [f"{row['events']:,}" for row in rows], 0, True),
        ScreenColumn("customers", [f"{row['customers']:,}" for row in rows], 1, True),
    ]
    if has_money:
        columns[1:2] = [
            ScreenColumn(f"sales, {shop.currency}", [f"{row['sales'] or 0:,.2f}" for row in rows], 0, True),
            ScreenColumn("lines", [f"{row['sale_lines']:,}" for row in rows], 2, True),
        ]
        columns += [
            ScreenColumn(f"refunds, {shop.currency}", [f"{row['refunds'] or 0:,.2f}" for row in rows], 3, True),
            ScreenColumn("returned lines", [f"{row['events'] - row['sale_lines']:,}" for row in rows], 4, True),
        ]
    show_table(console, f"{log} by {'year' if by_year else 'month'}", columns)
    return last


def _sum_up(has_money: bool) -> list[Column]:
    sums = [F.count("*").alias("events"), F.count_distinct("customer_id").alias("customers"),
            F.min("event_day").alias("first"), F.max("event_day").alias("last")]  # fmt: skip
    if has_money:
        is_sale = F.col("kind") == "sale"
        sums += [
            F.count_if(is_sale).alias("sale_lines"),
            F.sum(F.when(is_sale, F.col("amount"))).alias("sales"),
            F.sum(F.when(~is_sale, F.col("amount"))).alias("refunds"),
        ]
    return sums


def _describe(total: dict, first: date, last: date, currency: str | None) -> str:
    span = f"events of {first} to {last}, {total['customers']:,} customers"
    if currency is None:
        return span
    returned = total["events"] - total["sale_lines"]
    return (
        f"{span}; sales of {total['sales'] or 0:,.2f} {currency} in {total['sale_lines']:,} lines, "
        f"refunds of {total['refunds'] or 0:,.2f} {currency} in {returned:,} lines"
    )


def show_files_lines(console: PlainConsole, accounts: Sequence[dict]) -> None:
    """Prints the lines of each file and what became of them; for many files the minimum, median and maximum."""
    if len(accounts) > MOST_FILES:
        ordered = sorted(accounts, key=lambda row: (row["lines_in"], row["path"]))
        shown = (("fewest", ordered[0]), ("half have at most", ordered[len(ordered) // 2]), ("most", ordered[-1]))
        summary = ", ".join(f"{word} {row['lines_in']:,} ({row['path']})" for word, row in shown)
        console.print(f"lines of a file: {summary}")
        return
    counts = (("lines", "lines_in"), ("clean", "clean"), ("rejected", "quarantined"), ("duplicates", "duplicates"))
    columns = [ScreenColumn("file", [row["path"] for row in accounts])]
    columns += [
        ScreenColumn(heading, [f"{row[name]:,}" for row in accounts], place, True)
        for place, (heading, name) in enumerate(counts)
    ]
    show_table(console, "", columns)
