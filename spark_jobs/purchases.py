"""The purchase log's rules: raw records to typed purchases and returns, each with what is wrong. Pure, no I/O."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.contract.shop import Shop, Source
from spark_jobs.mapping import any_of, list_reasons, mapped_text, meets, parse_instant, parse_number

QUANTITY, PRICE = "decimal(18,3)", "decimal(18,6)"


def judge_purchases(records: DataFrame, shop: Shop) -> DataFrame:
    """Typed purchases and the reason codes against each record; an empty list means it is clean.

    records: raw.RECORD_SCHEMA. Adds event_at (UTC), event_day (shop's zone), product_id, category, quantity
    (positive), unit_price, currency, kind, event_id (null: to be derived) and reasons.
    """
    source = shop.sources["purchases"]
    return (
        records.select("*", *_parse_columns(shop, source))
        .withColumn("event_day", F.to_date(F.from_utc_timestamp("event_at", shop.time_zone)))
        .withColumn("unit_price", _unit_price(source))
        .withColumn("quantity", F.when(F.col("kind") == "return", F.abs("quantity")).otherwise(F.col("quantity")))
        .withColumn("reasons", _reasons(shop, source))
    )


def _parse_columns(shop: Shop, source: Source) -> list[Column]:
    quantity = parse_number(mapped_text(source, "quantity"), QUANTITY) if _maps(source, "quantity") else F.lit(1)
    is_return = any_of([meets(source, condition) for condition in source.returns])
    kind = F.lower(mapped_text(source, "kind")) if _maps(source, "kind") else F.lit("sale")
    price = parse_number(mapped_text(source, "unit_price" if _maps(source, "unit_price") else "amount"), PRICE)
    event_at = parse_instant(mapped_text(source, "event_at"), source.columns["event_at"], shop.time_zone)
    return [
        mapped_text(source, "event_id").alias("event_id"),
        event_at.alias("event_at"),
        mapped_text(source, "product_id").alias("product_id"),
        mapped_text(source, "category").alias("category"),
        quantity.cast(QUANTITY).alias("quantity"),
        price.alias("price"),
        F.coalesce(mapped_text(source, "currency"), F.lit(shop.currency)).alias("currency"),
        F.when(is_return, F.lit("return")).otherwise(kind).alias("kind"),
    ]


def _maps(source: Source, name: str) -> bool:
    return name in source.columns


def _unit_price(source: Source) -> Column:
    """The price of one item; a mapped amount is the price of the whole line, whatever its sign."""
    if _maps(source, "unit_price"):
        return F.col("price")
    return F.when(F.col("quantity") != 0, F.abs(F.col("price") / F.col("quantity"))).cast(PRICE)


def _reasons(shop: Shop, source: Source) -> Column:
    quantity, price = F.col("quantity"), F.col("unit_price")
    is_readable = F.col("fault").isNull()
    typed = {
        "customer_id_missing": F.col("customer_id").isNull(),
        "event_at_missing": mapped_text(source, "event_at").isNull(),
        "event_at_invalid": mapped_text(source, "event_at").isNotNull() & F.col("event_at").isNull(),
        "quantity_invalid": quantity.isNull(),
        "quantity_zero": quantity == 0,
        "quantity_negative": quantity < 0,
        "price_invalid": F.col("price").isNull(),
        "price_negative": price < 0,
        "kind_unknown": ~F.coalesce(F.col("kind").isin("sale", "return"), F.lit(False)),
        "currency_unknown": F.col("currency") != shop.currency,
        **_rejections(source),
    }
    found = list_reasons({code: is_readable & condition for code, condition in typed.items()})
    return F.when(is_readable, found).otherwise(F.array("fault"))


def _rejections(source: Source) -> dict[str, Column]:
    """The shop's own rejection rules; several rules may share a code."""
    codes = dict.fromkeys(rule.reason for rule in source.rejections)
    return {
        code: any_of([meets(source, rule.condition) for rule in source.rejections if rule.reason == code])
        for code in codes
    }
