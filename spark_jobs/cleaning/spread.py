"""Spreads amounts of a whole order (discounts, shipping, tax) over its lines. Spark expressions, no I/O.

The order's value of a raw column is the absolute value of the first that its lines have, so it may be given once or on
every line. Additions less deductions are spread over the sold lines, or over the returned lines if none is sold: in
proportion to the lines' money, or equally if they have none. Remaining cents go to the lines with the largest
remainders, then to earlier lines, so that the sum is exact.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from spark_jobs.cleaning.mapping import any_of, meets, raw_text
from spark_jobs.cleaning.numbers import parse_number, spell_plainly
from spark_jobs.contract.shop.orders import Spread
from spark_jobs.contract.shop.source import Source
from spark_jobs.raw.reader import NOTHING, SEPARATOR

CENTS, PRICE = "decimal(18,0)", "decimal(18,6)"
#: Intermediate columns, dropped at the end.
OWN = ("order_of", "order_adds", "takes_part", "cents", "order_cents", "share", "remainder", "left_over", "place")


def add_shares(events: DataFrame, source: Source, spread: Spread, line: Column) -> DataFrame:
    """Adds `order_share`, each line's share of its order's additions and deductions (decimal(18,2)), and
    `is_spread_invalid`: a value of the order is no number, or the deductions exceed the worth of its lines.

    events: with kind. line: the money of a line as given; null if invalid.
    """
    named = events.withColumn("order_of", _name_order(source))
    of_order = Window.partitionBy("delivery_id", "order_of")
    valued = _value_orders(named, source, spread, of_order)
    is_there = line.isNotNull() & (line >= 0) & ~any_of([meets(source, rule.condition) for rule in source.rejections])
    is_sale = F.col("kind") == "sale"
    has_sale = F.coalesce(F.max(is_there & is_sale).over(of_order), F.lit(False))
    taking = valued.withColumns({"takes_part": is_there & (is_sale | ~has_sale), "cents": _to_cents(line)})
    cents = F.when(F.col("takes_part"), F.col("cents"))
    weighed = taking.withColumn("order_cents", F.sum(cents).over(of_order)).withColumn(
        "cents", F.when(F.col("order_cents") == 0, F.lit(1).cast(CENTS)).otherwise(F.col("cents"))
    )
    return _share_out(weighed, of_order)


def _name_order(source: Source) -> Column:
    """A text that identifies a record's order; a record without one is an order of its own."""
    names = [raw_text(source, name) for name in source.order_columns]
    is_named = any_of([name.isNotNull() for name in names])
    own = F.concat_ws(SEPARATOR, F.lit(NOTHING), F.col("record_number").cast("string"))
    return F.when(is_named, F.concat_ws(SEPARATOR, *(F.coalesce(name, F.lit(NOTHING)) for name in names))).otherwise(
        own
    )


def _value_orders(named: DataFrame, source: Source, spread: Spread, of_order: WindowSpec) -> DataFrame:
    """Adds order_adds, additions less deductions in cents, and is_unreadable."""
    first = of_order.orderBy("record_number").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    priced = source.columns.get("unit_price") or source.columns["amount"]
    scale = F.lit(str(priced.scale or 1)).cast("decimal(18,8)")  # cents are cents in all columns of an order
    added, is_unreadable = F.lit(0).cast(CENTS), F.lit(False)
    for sign, names in ((1, spread.add), (-1, spread.subtract)):
        for name in names:
            text = F.first(raw_text(source, name), ignorenulls=True).over(first)
            value = F.abs(parse_number(spell_plainly(text, source.numbers_of_raw(name)), PRICE) * scale)
            added += sign * F.coalesce(_to_cents(value), F.lit(0).cast(CENTS))
            is_unreadable |= text.isNotNull() & value.isNull()
    return named.withColumns({"order_adds": added.cast(CENTS), "is_unreadable": is_unreadable})


def _to_cents(money: Column) -> Column:
    return (money.try_cast("decimal(18,2)") * 100).cast(CENTS)


def _share_out(weighed: DataFrame, of_order: WindowSpec) -> DataFrame:
    """Allocates by largest remainder. weighed: cents are the weights of lines with takes_part; order_adds: in cents."""
    taking = F.col("takes_part")
    total = F.sum(F.when(taking, F.col("cents"))).over(of_order)
    product = (F.abs("order_adds") * F.col("cents")).cast("decimal(38,0)")
    divided = weighed.withColumns({"total": total, "product": product}).withColumns({
        "share": F.when(taking, F.expr("product div total")), "remainder": F.when(taking, F.expr("product % total")),
    })  # fmt: skip
    largest_first = of_order.orderBy(F.desc_nulls_last("remainder"), "record_number")
    ranked = divided.withColumns({
        "left_over": F.abs("order_adds") - F.sum("share").over(of_order), "place": F.row_number().over(largest_first),
    })  # fmt: skip
    cents = F.col("share") + F.when(F.col("place") <= F.col("left_over"), 1).otherwise(0)
    signed = F.when(F.col("order_adds") < 0, -cents).otherwise(cents)
    is_less = F.coalesce(F.col("order_adds") + F.col("order_cents") < 0, F.lit(False))
    shared = ranked.withColumns({
        "order_share": F.coalesce((signed / 100).cast("decimal(18,2)"), F.lit(0).cast("decimal(18,2)")),
        "is_spread_invalid": F.col("is_unreadable") | is_less,
    })  # fmt: skip
    return shared.drop(*OWN, "total", "product", "is_unreadable")
