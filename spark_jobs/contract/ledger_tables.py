"""The ledgers: delivered files, what became of their records, merged customers, and published runs.

They cannot be rebuilt from other data, so they are kept for ever and rows never change, but for those whose names begin
with an underscore and that hold the current state.
"""

from __future__ import annotations

from spark_jobs.contract.table import CUSTOMER, DELIVERY, Column, Table

DELIVERIES = Table(
    "deliveries",
    "one raw file, registered once and kept for ever",
    (
        DELIVERY,
        Column("path", "string", "the file, below the source's location"),
        Column("sha256", "string", "hash of the file's bytes"),
        Column("byte_count", "bigint", "size of the file", "bytes"),
        Column("modified_at", "timestamp", "when the file was last written", "UTC"),
        Column("delivery_day", "date", "the day in the path less lag_days, or the day of the run that first saw it "
               "where that day was published already; null: each event's own day", nullable=True),
        Column("not_before", "date", "for an undated file: no record of it was known before this day", nullable=True),
        Column("seen_as_of", "date", "the day of the run that first saw it"),
        Column("log", "string", "the log it is delivered for"),
    ),
    key=("delivery_id",),
    partition="log",
)  # fmt: skip

ACCOUNTS = Table(
    "accounts",
    "what became of every record of one raw file",
    (
        DELIVERY,
        Column("path", "string", "the file, below the source's location"),
        Column("lines_in", "bigint", "records in the file", "records"),
        Column("clean", "bigint", "records that became events", "records"),
        Column("quarantined", "bigint", "records rejected, each with its reasons", "records"),
        Column("duplicates", "bigint", "records that repeat an event that is already known", "records"),
        Column(
            "elsewhere",
            "bigint",
            "records that belong to another log of the same file, or to a customer who was erased",
            "records",
            default=0,
        ),
        Column("first_delivery_day", "date", "the earliest delivery day of its records", nullable=True),
        Column("last_delivery_day", "date", "the latest delivery day of its records", nullable=True),
        Column(
            "amount_sizes",
            "string",
            "JSON object: for each n the number of lines worth more than 10^((n-1)/10) and up to "
            "10^(n/10); null: it has none",
            "shop currency",
            nullable=True,
        ),
        Column("log", "string", "the log it was delivered for"),
    ),
    key=("delivery_id",),
    partition="log",
)

MERGES = Table(
    "merges",
    "one customer id that the shop has merged into another; kept for ever, never changed",
    (
        CUSTOMER,
        Column("merged_into", "string", "keyed hash of the customer id that stays in use"),
        Column("since", "date", "the day of the merge, as the shop gives it"),
        Column("known_from", "date", "the first day on which the pipeline counts both as one customer"),
        Column("origin", "string", "the setting that the merge comes from"),
    ),
    key=("customer_id",),
    partition="origin",
)

ERASURES = Table(
    "erasures",
    "one customer who was erased; kept for ever, so that no raw file brings the customer back",
    (
        Column("tombstone", "string", "keyed hash of the customer id, by a key that no other table uses"),
        Column("erased_on", "date", "the day of the erasure, in the shop's time zone"),
        Column("key_id", "string", "the key of the hash"),
    ),
    key=("tombstone",),
    partition="key_id",
)

RUNS = Table(
    "_runs",
    "one published run: the table versions that belong together",
    (
        Column("run_id", "string", "the run"),
        Column("run_key", "string", "hash of all inputs of the run; the same key means the same content"),
        Column("tables", "string", "JSON object: table name to published version of the table"),
        Column("published_at", "timestamp", "when it was published", "UTC"),
        Column("as_of", "date", "the day the run is about"),
        Column("pipeline", "string", "etl, score or train"),
    ),
    key=("run_id",),
    partition="pipeline",
)

#: Like the next one, its rows change: it is the current state.
INCOMPLETE = Table(
    "_incomplete",
    "the newest full snapshot of one log, and what it lacks",
    (
        Column("log", "string", "the log"),
        Column("path", "string", "the file, below the source's location"),
        Column("delivery_day", "date", "the delivery day of the file"),
        Column("missing", "bigint", "events of earlier files that it lacks although it has others of their time; they "
               "still count", "events"),
    ),
    key=("log",),
    partition="log",
)  # fmt: skip

BACKLOG = Table(
    "_backlog",
    "the days of one table that wait to be rebuilt",
    (
        Column("table_name", "string", "the table"),
        Column("days", "bigint", "how many of its days wait", "days"),
        Column("first_day", "date", "the earliest of them"),
        Column("last_day", "date", "the latest of them"),
        Column("as_of", "date", "the last night that did not get to them"),
    ),
    key=("table_name",),
    partition="table_name",
)
