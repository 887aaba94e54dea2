"""Is skip_last proposed for files that end with totals, and not if other records are rejected too?"""

import io
from dataclasses import dataclass

from pyspark.sql import DataFrame
from rich.console import Console

from spark_jobs.checking.last_lines import show_last_lines
from spark_jobs.contract.shop.source import ColumnMapping, Source
from spark_jobs.runtime.console import PlainConsole


@dataclass
class Judged:
    records: DataFrame
    source = Source("purchases", "", "*", "csv", {"customer_id": ColumnMapping("c")})


def run_check(spark, files: dict[str, list[str]]) -> str:
    """The output for files whose records have these reasons; "": clean."""
    rows = [(name, number, "quarantined" if reason else "clean", [reason] if reason else [])
            for name, reasons in files.items() for number, reason in enumerate(reasons, 1)]  # fmt: skip
    ddl = "delivery_id string, record_number bigint, verdict string, reasons array<string>"
    out = io.StringIO()
    show_last_lines(PlainConsole(Console(file=out, width=200)), Judged(spark.createDataFrame(rows, ddl)))
    return out.getvalue()


def test_totals_at_the_end_of_files_are_reported_with_the_setting(spark):
    total, whole = [""] * 20 + ["fields_missing", "line_empty"], [""] * 21
    output = run_check(spark, {"a": total, "b": total, "c": whole})
    assert "the last record of 2 of 3 files is rejected" in output
    assert "skip_last = 1 under [sources.purchases]" in output
    assert run_check(spark, {"a": total, "b": whole, "c": whole, "d": ["", "price_invalid"] * 9}) == ""
