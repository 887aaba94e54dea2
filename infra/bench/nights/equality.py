"""Are the tables of a peer equal to the product's, and the product's on all engines?

Customers and products are compared by the product's own hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import polars as pl
import xxhash

from infra.bench.nights.peer import SERIES_NAMES, SET_NAMES, SUM_NAMES
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.ledger_tables import ACCOUNTS
from spark_jobs.contract.settings import Settings
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.table import Table
from spark_jobs.contract.tables import CUSTOMER_DAY, CUSTOMER_SERIES, EVENTS, quarantine
from spark_jobs.lake.store import Lake
from spark_jobs.raw.hashing import make_hasher

#: The sets that customer_day keeps as hashes, by Spark's xxhash64.
HASHED_SETS = ("bought_products", "carted_products", "sessions")
SPARK_SEED = 42
#: Of what are decimals of at most three: Polars divides by a factor, which may differ in the last bit.
DECIMALS = 6
#: What an engine makes of the raw files.
ETL_TABLES = (*EVENTS.values(), *map(quarantine, EVENTS), ACCOUNTS, CUSTOMER_DAY, CUSTOMER_SERIES)
#: So many partitions of a table are in memory at a time.
COMPARED_PARTITIONS = 30
DAY_KEY, SERIES_KEY = ["customer_id", "event_day", "delivery_day"], ["customer_id"]


def read_product(lake: Lake, as_of: date) -> dict[str, pl.DataFrame]:
    """The product's customer_day up to the day, and its customer_series of the day."""
    days = [day for day in lake.partitions(CUSTOMER_DAY) if day <= as_of.isoformat()]
    found = {
        CUSTOMER_DAY.name: lake.arrow(CUSTOMER_DAY, days),
        CUSTOMER_SERIES.name: lake.arrow(CUSTOMER_SERIES, [as_of.isoformat()]),
    }
    return {name: normalise(name, pl.DataFrame(table)) for name, table in found.items()}


def hash_peer(tables: dict[str, pl.DataFrame], shop: Shop, settings: Settings) -> dict[str, pl.DataFrame]:
    """A peer's tables in the product's form: ids and elements hashed, columns and rows in its order."""
    hasher = make_hasher(settings, shop)
    found = {}
    for name, table in tables.items():
        hashed = replace_all(table, "customer_id", lambda ids: [hasher.customer_key(text) for text in ids])
        for column in HASHED_SETS if name == CUSTOMER_DAY.name else ():
            hashed = replace_elements(hashed, column)
        found[name] = normalise(name, hashed)
    return found


def replace_all(table: pl.DataFrame, column: str, change: Callable[[list[str]], list]) -> pl.DataFrame:
    values = table[column].unique()
    changes = pl.DataFrame({column: values, "changed": change(values.to_list())})
    return table.join(changes, on=column, how="left").with_columns(pl.col("changed").alias(column)).drop("changed")


def replace_elements(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """The set's texts as Spark hashes them."""
    rows = table.select(pl.int_range(pl.len()).alias("row"), column).explode(column).drop_nulls(column)
    hashed = replace_all(rows, column, lambda texts: [hash_as_spark(text) for text in texts])
    sets = hashed.group_by("row").agg(column)
    with_sets = table.drop(column).with_row_index("row").cast({"row": pl.Int64}).join(sets, on="row", how="left")
    return with_sets.drop("row").with_columns(pl.col(column).fill_null([]))


def hash_as_spark(text: str) -> int:
    """xxhash64 of Spark SQL."""
    digest = xxhash.xxh64(text.encode(), seed=SPARK_SEED).digest()
    return int.from_bytes(digest, "big", signed=True)


def normalise(name: str, table: pl.DataFrame) -> pl.DataFrame:
    """Columns and rows in one order, numbers as rounded doubles, sets sorted."""
    if name == CUSTOMER_DAY.name:
        days = [pl.col(day).cast(pl.String) for day in DAY_KEY[1:]]
        sets = [pl.col(column).list.sort() for column in SET_NAMES]
        sums = [pl.col(column).cast(pl.Float64).round(DECIMALS) for column in SUM_NAMES]
        return table.select("customer_id", *days, *sums, *sets).sort(DAY_KEY)
    numbers = [
        pl.col(column).cast(pl.List(pl.Float64)).list.eval(pl.element().round(DECIMALS)) for column in SERIES_NAMES
    ]
    late = pl.col("late_days").cast(pl.List(pl.Int32))
    return table.select("customer_id", "first_day", "days", late, *numbers).sort(SERIES_KEY)


def require_same_lakes(lakes: Mapping[str, Lake]) -> None:
    """Raises ChurnError with the first table and column in which an engine's lake has other rows than the first's."""
    (first, expected), *others = lakes.items()
    for engine, lake in others:
        for table in ETL_TABLES:
            days = sorted(expected.partitions(table).keys() | lake.partitions(table).keys())
            for begin in range(0, len(days), COMPARED_PARTITIONS):
                compared = days[begin : begin + COMPARED_PARTITIONS]
                found, wanted = read_rows(lake, table, compared), read_rows(expected, table, compared)
                require_equal(engine, {table.name: found}, first, {table.name: wanted})


def read_rows(lake: Lake, table: Table, partitions: list[str]) -> pl.DataFrame:
    """The rows of these partitions in one order."""
    rows = pl.DataFrame(lake.arrow(table, partitions))
    return rows.sort([name for name, kind in rows.schema.items() if not isinstance(kind, pl.List)])


def require_equal(what: str, tables: dict[str, pl.DataFrame], other: str, expected: dict[str, pl.DataFrame]) -> None:
    """Raises ChurnError with the first column of a table that differs."""
    for name, rows in expected.items():
        found = tables[name]
        if found.height != rows.height:
            raise ChurnError(f"{name}: {what} has {found.height:,} rows, {other} {rows.height:,}")
        for column in rows.columns:
            if not found[column].equals(rows[column], null_equal=True):
                raise ChurnError(f"{name}.{column}: {what} has other values than {other}")
