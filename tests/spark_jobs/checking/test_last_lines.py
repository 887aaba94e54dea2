"""Files that end with totals: the setting that leaves them out is named, and not where records are rejected anyway."""

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


def say(spark, files: dict[str, list[str]]) -> str:
    """What is printed of files whose records have these reasons; "": clean."""
    rows = [(name, number, "quarantined" if reason else "clean", [reason] if reason else [])
            for name, reasons in files.items() for number, reason in enumerate(reasons, 1)]  # fmt: skip
    ddl = "delivery_id string, record_number bigint, verdict string, reasons array<string>"
    out = io.StringIO()
    show_last_lines(PlainConsole(Console(file=out, width=200)), Judged(spark.createDataFrame(rows, ddl)))
    return out.getvalue()


def test_totals_at_the_end_of_files_are_named_with_their_setting(spark):
    total, whole = [""] * 20 + ["fields_missing", "line_empty"], [""] * 21
    said = say(spark, {"a": total, "b": total, "c": whole})
    assert "the last record of 2 of 3 files is rejected" in said
    assert "skip_last = 1 under [sources.purchases]" in said
    assert say(spark, {"a": total, "b": whole, "c": whole, "d": ["", "price_invalid"] * 9}) == ""
