"""The ETL of a night in Polars, as somebody would write it by hand for the simulated shop: the peer of the product.

    python -m infra.bench.nights.polars_night --raw DIR --state DIR --as-of DAY [--after DAY] --result FILE

Like duckdb_night.py, with Parquet files as its tables: one per log and night.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa

from infra.bench.nights.peer import SET_NAMES, SUM_NAMES, Phases, list_files, read_arguments, score_texts
from infra.bench.nights.polars_series import SCALES, SERIES_FILE, build_series
from spark_jobs.runtime.command import run_command

KEY = ["customer_id", "event_day", "delivery_day"]
IDENTITY = ["event_id", "event_day"]
COLUMNS = {
    "purchases": ["line", "customer", "at", "product", "category", "quantity", "price", "currency", "type"],
    "browses": ["id", "visitor", "ts", "type", "item", "category", "session", "dwell"],
    "reviews": ["id", "customer", "at", "product", "stars", "text"],
}
KINDS = {"pageview": "view", "search": "search", "addtocart": "cart_add", "removefromcart": "cart_remove"}
#: In hundredths, so that money is exact.
RATES = {"EUR": 100, "USD": 92, "CHF": 104}
MOST_BOT_EVENTS, HOUR_S = 120, 3600


def scan_csv(files: list[str]) -> pl.LazyFrame:
    schema = dict.fromkeys(COLUMNS["purchases"], pl.String())
    return pl.scan_csv(files, schema=schema, include_file_paths="filename")


def scan_json(files: list[str], log: str) -> pl.LazyFrame:
    """scan_ndjson stops at a line that is no JSON, so lines are read as text, and those that end early left out."""
    lines = pl.scan_csv(files, schema={"line": pl.String}, has_header=False, separator="\x01", quote_char=None,
                        include_file_paths="filename")  # fmt: skip
    record = pl.col("line").str.json_decode(pl.Struct(dict.fromkeys(COLUMNS[log], pl.String)))
    return lines.filter(pl.col("line").str.ends_with("}")).with_columns(record).unnest("line")


def with_delivery(records: pl.LazyFrame) -> pl.LazyFrame:
    return records.with_columns(
        pl.col("filename").str.extract(r"(\d{4}-\d{2}-\d{2})").str.to_date("%Y-%m-%d").alias("delivery_day")
    )


def is_sound() -> pl.Expr:
    """The reject rules that all logs share; null is no."""
    customer = pl.col("customer_id")
    return (
        pl.col("event_id").is_not_null() & (customer != "") & ~customer.str.starts_with("test-")
        & (pl.col("event_day") <= pl.col("delivery_day").dt.offset_by("1d"))
    )  # fmt: skip


def parse_purchases(files: list[str]) -> pl.LazyFrame:
    is_return = pl.col("kind") == "return"
    cents = (pl.col("price").cast(pl.Float64, strict=False) * 100).round().cast(pl.Int64, strict=False)
    typed = with_delivery(scan_csv(files)).select(
        "product", "category", "filename", "delivery_day", pl.col("line").alias("event_id"),
        pl.col("customer").alias("customer_id"), pl.col("type").alias("kind"),
        pl.col("at").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False).dt.date().alias("event_day"),
        pl.col("quantity").cast(pl.Int64, strict=False), cents.alias("cents"),
        pl.col("currency").replace_strict(RATES, default=None, return_dtype=pl.Int64).alias("rate"),
    )  # fmt: skip
    absolute = [
        pl.when(is_return).then(pl.col(name).abs()).otherwise(name).alias(name) for name in ("quantity", "cents")
    ]
    is_good = is_sound() & (pl.col("quantity") > 0) & (pl.col("cents") >= 0) & pl.col("rate").is_not_null()
    amount = (pl.col("quantity") * pl.col("cents") * pl.col("rate") + 50) // 100  # half up, in cents
    return typed.with_columns(absolute).filter(is_good & pl.col("kind").is_in(["sale", "return"])).select(
        *IDENTITY, "customer_id", pl.col("product").alias("product_id"), "category", "quantity",
        amount.alias("amount_cents"), "kind", "filename", "delivery_day",
    )  # fmt: skip


def parse_browses(files: list[str]) -> pl.LazyFrame:
    at = pl.from_epoch(pl.col("ts").cast(pl.Int64, strict=False), "ms")
    millis = (pl.col("dwell").cast(pl.Float64, strict=False) * 1000).round().cast(pl.Int64, strict=False)
    typed = with_delivery(scan_json(files, "browses")).select(
        pl.col("id").alias("event_id"), pl.col("visitor").alias("customer_id"), at.alias("event_at"),
        at.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin").dt.date().alias("event_day"),
        pl.col("item").alias("product_id"), "category", pl.col("session").alias("session_id"), "dwell",
        millis.alias("dwell_millis"), pl.col("type").replace_strict(KINDS, default=None).alias("kind"), "filename",
        "delivery_day",
    )  # fmt: skip
    is_dwell_good = pl.col("dwell").is_null() | pl.col("dwell_millis").is_between(0, 10**12 - 1)
    return typed.filter(is_sound() & pl.col("kind").is_not_null() & is_dwell_good)


def drop_bots(events: pl.DataFrame) -> pl.DataFrame:
    """Without who has too many events of a file within an hour."""
    who = ["filename", "customer_id"]
    busy = events.group_by(who).len().filter(pl.col("len") > MOST_BOT_EVENTS)
    hourly = (
        events.join(busy, on=who, how="semi").with_columns(pl.col("event_at").dt.truncate("1s"))
        .sort("event_at").rolling("event_at", period=f"{HOUR_S}s", group_by=who).agg(pl.len().alias("within_hour"))
    )  # fmt: skip
    return events.join(hourly.filter(pl.col("within_hour") > MOST_BOT_EVENTS), on=who, how="anti")


def parse_reviews(files: list[str]) -> pl.DataFrame:
    stars = pl.col("stars").cast(pl.Int64, strict=False)
    typed = with_delivery(scan_json(files, "reviews")).select(
        pl.col("id").alias("event_id"), pl.col("customer").alias("customer_id"),
        pl.col("at").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False).dt.date().alias("event_day"),
        "stars", stars.alias("rating"), pl.when(pl.col("text") != "").then("text").alias("text"), "filename",
        "delivery_day",
    )  # fmt: skip
    is_good = (pl.col("stars").is_null() | pl.col("rating").is_between(1, 5)) & (
        pl.col("rating").is_not_null() | pl.col("text").is_not_null()
    )
    reviews = typed.filter(is_sound() & is_good).collect()
    scored = pl.DataFrame(score_texts(reviews.select("text", "rating").unique().to_arrow()))
    millis = (pl.col("sentiment").cast(pl.Float64) * 1000).round().cast(pl.Int64).alias("sentiment_millis")
    with_scores = reviews.join(scored, on=["text", "rating"], how="left", nulls_equal=True)
    return with_scores.select(*IDENTITY, "customer_id", "rating", millis, "filename", "delivery_day")


def parse(log: str, files: list[str]) -> pl.DataFrame:
    if log == "purchases":
        return parse_purchases(files).collect()
    return drop_bots(parse_browses(files).collect()) if log == "browses" else parse_reviews(files)


def clean(log: str, files: list[str], state: Path, as_of: date) -> None:
    """Adds the night's clean events: of several of one identity the earliest counts."""
    parsed = parse(log, files)
    repeated = parsed.filter(pl.struct(IDENTITY).is_duplicated())
    if len(repeated):
        firsts = repeated.sort("delivery_day", "filename").unique(IDENTITY, keep="first", maintain_order=True)
        parsed = pl.concat([parsed.join(repeated, on=IDENTITY, how="anti"), firsts])
    known = sorted((state / log).glob("*.parquet"))
    if known:
        first = parsed["event_day"].min()  # nothing before it can be repeated
        ids = pl.scan_parquet(known).filter(pl.col("event_day") >= first).select(IDENTITY)
        parsed = parsed.join(ids.collect(), on=IDENTITY, how="anti")
    (state / log).mkdir(parents=True, exist_ok=True)
    parsed.sort("event_day").write_parquet(state / log / f"{as_of}.parquet")


def build_days(state: Path, as_of: date) -> None:
    """The customer_day rows of the night's delivery days."""
    logs = {log: pl.scan_parquet(state / log / f"{as_of}.parquet") for log in COLUMNS}
    sale, back, kind = pl.col("kind") == "sale", pl.col("kind") == "return", pl.col("kind")
    sums = {
        "purchases": [
            sale.sum().alias("sale_count"), pl.col("quantity").filter(sale).sum().alias("item_quantity"),
            (pl.col("amount_cents").filter(sale).sum()).alias("spend"), back.sum().alias("return_count"),
            (pl.col("amount_cents").filter(back).sum()).alias("refund"),
            pl.col("category").filter(sale).unique().alias("categories"),
            pl.col("product_id").filter(sale).unique().alias("bought_products"),
        ],
        "browses": [
            pl.len().alias("browse_count"),
            *((kind == name).sum().alias(f"{name}_count") for name in KINDS.values()),
            pl.col("dwell_millis").sum().alias("dwell_seconds"),
            pl.col("product_id").filter((kind == "cart_add") & pl.col("product_id").is_not_null()).unique()
            .alias("carted_products"),
            pl.col("category").drop_nulls().unique().alias("viewed_categories"),
            pl.col("session_id").unique().alias("sessions"),
        ],
        "reviews": [
            pl.len().alias("review_count"), pl.col("rating").count().alias("rated_count"),
            pl.col("rating").sum().alias("rating_sum"), pl.col("sentiment_millis").count().alias("judged_count"),
            pl.col("sentiment_millis").sum().alias("sentiment_sum"),
        ],
    }  # fmt: skip
    days = [events.group_by(KEY).agg(sums[log]) for log, events in logs.items()]
    rows = days[0]
    for other in days[1:]:
        rows = rows.join(other, on=KEY, how="full", coalesce=True)
    counts = [pl.col(name).fill_null(0) for name in SUM_NAMES]
    sets = [pl.col(name).fill_null([]) for name in SET_NAMES]
    (state / "customer_day").mkdir(exist_ok=True)
    rows.with_columns(counts + sets).collect().write_parquet(state / "customer_day" / f"{as_of}.parquet")


def read_tables(state: Path) -> dict[str, pa.Table]:
    """customer_day and customer_series, with the shop's own ids."""
    days = pl.read_parquet(state / "customer_day" / "*.parquet")
    scaled = days.with_columns([pl.col(name) / scale for name, scale in SCALES.items()])
    return {"customer_day": scaled.to_arrow(), "customer_series": pl.read_parquet(state / SERIES_FILE).to_arrow()}


def main(argv: Sequence[str] | None = None) -> None:
    arguments = read_arguments(__doc__, argv)
    phases, state = Phases(), arguments.state
    for log in COLUMNS:
        with phases.measure(f"clean_{log}"):
            clean(log, list_files(arguments.raw, log, arguments.after, arguments.as_of), state, arguments.as_of)
    with phases.measure("customer_day"):
        build_days(state, arguments.as_of)
    with phases.measure("customer_series"):
        build_series(state, arguments.raw, arguments.as_of)
    phases.write(arguments.result)


if __name__ == "__main__":
    sys.exit(run_command(main))
