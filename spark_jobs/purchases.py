"""The purchase log's own columns and faults. Pure, no I/O."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.contract.shop import Shop, Source
from spark_jobs.mapping import mapped_text, parse_number

QUANTITY, PRICE, RATE = "decimal(18,3)", "decimal(18,6)", "decimal(18,8)"


def type_events(dated: DataFrame, shop: Shop) -> DataFrame:
    """Adds category, quantity (positive), price (as given), unit_price (shop's currency), currency and kind."""
    source = shop.sources["purchases"]
    return (
        dated.select("*", *_parse_columns(shop, source))
        .withColumn("unit_price", _unit_price(shop, source))
        .withColumn("quantity", F.when(F.col("kind") == "return", F.abs("quantity")).otherwise(F.col("quantity")))
    )


def _parse_columns(shop: Shop, source: Source) -> list[Column]:
    quantity = parse_number(mapped_text(source, "quantity"), QUANTITY) if _maps(source, "quantity") else F.lit(1)
    price = parse_number(mapped_text(source, "unit_price" if _maps(source, "unit_price") else "amount"), PRICE)
    return [
        mapped_text(source, "category").alias("category"),
        quantity.cast(QUANTITY).alias("quantity"),
        price.alias("price"),
        F.coalesce(mapped_text(source, "currency"), F.lit(shop.currency)).alias("currency"),
    ]


def _maps(source: Source, name: str) -> bool:
    return name in source.columns


def _unit_price(shop: Shop, source: Source) -> Column:
    """The price of one item in the shop's currency; a mapped amount is the price of the whole line, whatever its
    sign."""
    is_amount = not _maps(source, "unit_price")
    price = F.when(F.col("quantity") != 0, F.abs(F.col("price") / F.col("quantity"))) if is_amount else F.col("price")
    if not shop.rates:
        return price.try_cast(PRICE)
    return (price.try_cast(PRICE) * exchange_rate(shop)).try_cast(PRICE)


def exchange_rate(shop: Shop) -> Column:
    """What one unit of `currency` is worth on event_day; null where shop.toml does not say."""
    rate = F.when(F.col("currency") == shop.currency, F.lit(1).cast(RATE))
    newest_first = sorted(shop.rates, key=lambda r: r.first_day.toordinal() if r.first_day else 0, reverse=True)
    for known in newest_first:
        is_meant = F.col("currency") == known.currency
        if known.first_day:
            is_meant &= F.col("event_day") >= F.lit(known.first_day)
        rate = rate.when(is_meant, F.lit(str(known.rate)).cast(RATE))
    return rate


def find_faults(shop: Shop) -> dict[str, Column]:
    """The reason codes of this log and when each holds."""
    rate = exchange_rate(shop)
    is_too_large = F.col("unit_price").isNull() & rate.isNotNull() & (F.col("quantity") != 0)
    return {
        "quantity_invalid": F.col("quantity").isNull(),
        "quantity_zero": F.col("quantity") == 0,
        "quantity_negative": F.col("quantity") < 0,
        "price_invalid": F.col("price").isNull() | is_too_large,
        "price_negative": F.col("unit_price") < 0,
        "currency_unknown": rate.isNull(),
    }
