"""accounts: what became of every record of every raw file.

Grain: one raw file. Input: the judged records. How many there should be is known apart from them: from the number that
the reader gave to a file's last record, and from the count it kept of all of them. So a record that is lost or doubled
on the way cannot hide.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_jobs.contract.errors import AuditError
from spark_jobs.contract.tables import ACCOUNTS, PURCHASES


def take_accounts(judged: DataFrame, deliveries: tuple[dict, ...]) -> list[dict]:
    """One row of ACCOUNTS for each delivery, also for a file without records.

    judged: has delivery_id, record_number, delivery_day, reasons and is_duplicate.
    """
    is_bad = F.size("reasons") > 0
    counted = judged.groupBy("delivery_id").agg(
        F.max("record_number").alias("lines_in"),
        F.count_if(~is_bad & ~F.col("is_duplicate")).alias("clean"),
        F.count_if(is_bad).alias("quarantined"),
        F.count_if(~is_bad & F.col("is_duplicate")).alias("duplicates"),
        F.min("delivery_day").alias("first_delivery_day"),
        F.max("delivery_day").alias("last_delivery_day"),
    )
    by_delivery = {row["delivery_id"]: row.asDict() for row in counted.collect()}
    return [_to_account(delivery, by_delivery.get(delivery["delivery_id"], {})) for delivery in deliveries]


def check_total(accounts: list[dict], records: int) -> list[dict]:
    """The accounts, if they speak of all records that were read. Raises AuditError otherwise."""
    if (total := sum(row["lines_in"] for row in accounts)) != records:
        raise AuditError(ACCOUNTS.name, "this run", [f"expected all {records} records that were read, found {total}"])
    return accounts


def _to_account(delivery: dict, counted: dict) -> dict:
    counts = {name: counted.get(name) or 0 for name in ("lines_in", "clean", "quarantined", "duplicates")}
    days = {name: counted.get(name) for name in ("first_delivery_day", "last_delivery_day")}
    named = {name: delivery[name] for name in ("delivery_id", "path", "log")}
    return named | counts | days


def check_accounts(accounts: list[dict], max_quarantined_share: float, as_of: object) -> None:
    """Raises AuditError where a file's records do not add up, or where too many of all records were rejected."""
    findings = [
        f"{row['path']}: {row['lines_in']} records in, but {row['clean']} clean + {row['quarantined']} quarantined"
        f" + {row['duplicates']} duplicates"
        for row in accounts
        if row["lines_in"] != row["clean"] + row["quarantined"] + row["duplicates"]
    ]
    lines_in = sum(row["lines_in"] for row in accounts)
    quarantined = sum(row["quarantined"] for row in accounts)
    if lines_in and quarantined / lines_in > max_quarantined_share:
        findings.append(
            f"{quarantined} of {lines_in} records ({quarantined / lines_in:.0%}) would be quarantined, more than"
            f" max_quarantined_share {max_quarantined_share:.0%}; see the reasons and mend shop.toml or the files"
        )
    if findings:
        raise AuditError(PURCHASES.name, as_of, findings)


def with_accounts(current: pa.Table, accounts: list[dict]) -> pa.Table:
    """The accounts with those of these files replaced."""
    replaced = pa.array([row["delivery_id"] for row in accounts], pa.string())
    kept = current.filter(pc.invert(pc.is_in(current.column("delivery_id"), replaced)))
    return pa.concat_tables([kept, pa.Table.from_pylist(accounts, schema=current.schema)])
