"""Finds months in which most sales cost nothing: their prices are probably missing."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import functions as F

from spark_jobs.checking.findings import Findings
from spark_jobs.checking.judged_log import JudgedLog

#: The fewest sales of a month that are judged, and the share of free ones that no campaign explains.
FEWEST_SALES, SHARE_FREE = 20, 0.5


def check_free_sales(judged: JudgedLog, findings: Findings) -> None:
    """Adds a finding if most sales of a month cost nothing."""
    if judged.source.log != "purchases":
        return
    sales = judged.records.where((F.col("verdict") == "clean") & (F.col("kind") == "sale"))
    counts = F.count("*").alias("sales"), F.count_if(F.col("amount") == 0).alias("free")
    rows = sales.groupBy(F.date_format("event_day", "yyyy-MM").alias("month")).agg(*counts).collect()
    if months := find_free_months({row["month"]: (row["sales"], row["free"]) for row in rows}):
        findings.add(describe_free_months(months, len(rows)))


def find_free_months(months: Mapping[str, tuple[int, int]]) -> list[str]:
    """The names of these months. months: name -> (sales, free sales)."""
    return sorted(name for name, (sales, free) in months.items() if sales >= FEWEST_SALES and free > SHARE_FREE * sales)


def describe_free_months(months: list[str], month_count: int) -> str:
    when = months[0] if len(months) == 1 else f"{len(months)} of {month_count} months, {months[0]} to {months[-1]}"
    return (f"purchases: in {when}, most sales have the price 0, so they count as purchases without money: map the "
            "column with the price, or deliver these files again with prices")  # fmt: skip
