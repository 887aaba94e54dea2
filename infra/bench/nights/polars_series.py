"""customer_series in Polars, for polars_night.py."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl

from infra.bench.nights.peer import SERIES_NAMES, SET_NAMES, SUM_NAMES

PART = ["customer_id", "event_day", "late_days"]
#: customer_day has these as whole numbers, to be divided by so much.
SCALES = {"spend": 100, "refund": 100, "dwell_seconds": 1000, "sentiment_sum": 1000}
SERIES_FILE = "customer_series.parquet"
ELIGIBLE_DAYS, UNDONE_DAYS, HISTORY_DAYS = 90, 7, 14


def build_series(state: Path, raw: Path, as_of: date) -> None:
    customer_day = pl.scan_parquet(state / "customer_day" / "*.parquet")
    known = read_known(customer_day, raw / "merged_customers.csv", as_of).collect()
    ours = known.join(find_eligible(known, as_of), on="customer_id", how="semi")
    parts = ours.lazy().group_by(PART).agg(pl.col(SUM_NAMES).sum())
    for counts in count_sets(ours):
        parts = parts.join(counts, on=PART, how="left")
    doubles = [(pl.col(name).fill_null(0).cast(pl.Float64) / SCALES.get(name, 1)).alias(name) for name in SERIES_NAMES]
    series = parts.with_columns(doubles).sort(PART).group_by("customer_id", maintain_order=True).agg(
        pl.col("event_day").first().alias("first_day"), pl.col("event_day").alias("days"), "late_days", *SERIES_NAMES
    )  # fmt: skip
    series.collect().write_parquet(state / SERIES_FILE)


def read_known(customer_day: pl.LazyFrame, merges_file: Path, as_of: date) -> pl.LazyFrame:
    """What was known by then, under the customers' ids of then, with late_days."""
    merges = pl.scan_csv(merges_file, try_parse_dates=True).filter(pl.col("since") <= as_of).drop("since")
    count = pl.len().cast(pl.Float64)
    spread = pl.col("n").sum() ** 2 / (pl.col("n") ** 2).sum()
    sizes = customer_day.group_by("delivery_day", "event_day").agg(count.alias("n")).group_by("delivery_day")
    history = sizes.agg(spread.alias("spread")).filter(pl.col("spread") > HISTORY_DAYS).collect()["delivery_day"]
    late = (pl.col("delivery_day") - pl.col("event_day")).dt.total_days().clip(0)
    is_known = (pl.col("delivery_day") <= as_of) & (pl.col("event_day") <= as_of)
    return customer_day.filter(is_known).join(merges, on="customer_id", how="left").with_columns(
        pl.coalesce("merged_into", "customer_id").alias("customer_id"),
        pl.when(pl.col("delivery_day").is_in(history.implode())).then(0).otherwise(late).cast(pl.Int32)
        .alias("late_days"),
    )  # fmt: skip


def find_eligible(known: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The customers with a day of sales in the last ELIGIBLE_DAYS that were not undone soon after."""
    recent = known.filter(pl.col("event_day") > as_of - timedelta(ELIGIBLE_DAYS))
    days = recent.group_by("customer_id", "event_day").agg(
        pl.col("sale_count").sum(), pl.col("refund").sum(), (pl.col("spend") - pl.col("refund")).sum().alias("net")
    )
    paid = days.sort("customer_id", "event_day").with_columns(pl.col("net").cum_sum().over("customer_id").alias("paid"))
    refunds = paid.filter(pl.col("refund") > 0).select(
        "customer_id", pl.col("event_day").alias("back_on"), pl.col("paid").alias("least")
    )
    undone = (
        paid.join(refunds, on="customer_id").filter(
            (pl.col("back_on") >= pl.col("event_day"))
            & (pl.col("back_on") <= pl.col("event_day").dt.offset_by(f"{UNDONE_DAYS}d"))
            & (pl.col("least") <= pl.col("paid") - pl.col("net"))
        ).select("customer_id", "event_day")
    )  # fmt: skip
    bought = paid.filter(pl.col("sale_count") > 0)
    return bought.join(undone, on=["customer_id", "event_day"], how="anti").select("customer_id").unique()


def count_sets(ours: pl.DataFrame) -> list[pl.LazyFrame]:
    """By how much each part changes what its day's sets count, see duckdb_night.COUNTED."""
    met = {name: _find_first_met(ours, name) for name in SET_NAMES}
    day = ["customer_id", "event_day"]
    bought = met["bought_products"].rename({"bought_products": "product", "late_days": "bought_late"})
    carted = (
        met["carted_products"].rename({"carted_products": "product"}).join(bought, on=[*day, "product"], how="left")
    )
    left = carted.filter(pl.col("bought_late").is_null() | (pl.col("bought_late") > pl.col("late_days")))
    taken = left.filter(pl.col("bought_late").is_not_null())
    abandoned = pl.concat([
        left.select(*PART, pl.lit(1).alias("n")),
        taken.select(*day, pl.col("bought_late").alias("late_days"), pl.lit(-1).alias("n")),
    ])  # fmt: skip
    part = pl.struct((pl.col("event_day") + pl.duration(days="late_days")).alias("known_day"), "event_day", "late_days")
    first_bought = (
        ours.lazy().select(*PART, "categories").explode("categories").drop_nulls("categories")
        .with_columns(part.alias("part")).sort("part")
        .unique(["customer_id", "categories"], keep="first", maintain_order=True)
    )  # fmt: skip
    return [
        met["sessions"].group_by(PART).agg(pl.len().alias("session_count")),
        met["viewed_categories"].group_by(PART).agg(pl.len().alias("viewed_category_count")),
        abandoned.group_by(PART).agg(pl.col("n").sum().alias("abandoned_cart_count")),
        first_bought.group_by(PART).agg(pl.len().alias("new_category_count")),
    ]


def _find_first_met(ours: pl.DataFrame, name: str) -> pl.LazyFrame:
    """The elements of each day's set, with the late_days of the part that brought it first."""
    elements = ours.lazy().select(*PART, name).explode(name).drop_nulls(name)
    return elements.group_by("customer_id", "event_day", name).agg(pl.col("late_days").min())
