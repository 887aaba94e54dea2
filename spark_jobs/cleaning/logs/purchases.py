"""The purchase log's own columns and faults. Pure, no I/O."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_jobs.cleaning.currencies import read_currency
from spark_jobs.cleaning.log_judge import LogJudge
from spark_jobs.cleaning.mapping import mapped_number, mapped_text, read_word
from spark_jobs.cleaning.plausible import IMPLAUSIBLE
from spark_jobs.cleaning.spread import add_shares
from spark_jobs.contract.shop.model import Shop
from spark_jobs.contract.shop.source import Source

QUANTITY, PRICE, RATE, AMOUNT = "decimal(18,3)", "decimal(18,6)", "decimal(18,8)", "decimal(18,2)"
#: Larger lines are rejected so that the sums of customer_day fit their types: ten thousand such amounts of a customer
#: and day do, and millions of such quantities.
MOST_QUANTITY, MOST_AMOUNT = Decimal(10) ** 9, Decimal(10) ** 12


def type_events(dated: DataFrame, shop: Shop) -> DataFrame:
    """Adds quantity, price (as given), unit_price and amount (shop's currency), currency, kind and weight.

    Quantity and price of a return are taken as absolute, whichever has the sign. Those of a sale keep their signs, and
    find_faults rejects negative ones.
    """
    source = shop.sources["purchases"]
    parsed = dated.select("*", *_parse_columns(shop, source))
    is_return = F.col("kind") == "return"
    unsigned = {name: F.when(is_return, F.abs(name)).otherwise(F.col(name)) for name in ("quantity", "price")}
    priced = parsed.withColumns(unsigned)
    if source.spread:
        priced = add_shares(priced, source, source.spread, _line(source))
    return priced.withColumns({"unit_price": _unit_price(shop, source)}).withColumns(
        {"amount": _amount(shop, source), "weight": F.lit(1)}
    )  # fmt: skip


def _parse_columns(shop: Shop, source: Source) -> list[Column]:
    quantity = mapped_number(source, "quantity", QUANTITY) if _maps(source, "quantity") else F.lit(1)
    price = mapped_number(source, "unit_price" if _maps(source, "unit_price") else "amount", PRICE)
    own = F.lit(shop.currency)
    currency = read_currency(mapped_text(source, "currency"), shop) if _maps(source, "currency") else own
    return [
        quantity.cast(QUANTITY).alias("quantity"),
        price.alias("price"),
        currency.alias("currency"),
    ]


def _maps(source: Source, name: str) -> bool:
    return name in source.columns


def _unit_price(shop: Shop, source: Source) -> Column:
    """The price of one item in the shop's currency; a mapped amount is the price of the whole line."""
    price = F.col("price")
    if not _maps(source, "unit_price"):
        price = F.when(F.col("quantity") != 0, F.col("price") / F.abs("quantity"))
    return _exchange(price.try_cast(PRICE), shop, PRICE)


def _amount(shop: Shop, source: Source) -> Column:
    """The money of the line in the shop's currency, rounded half up to cents; null if it is too large."""
    line, share = _line(source), F.col("order_share") if source.spread else F.lit(0).cast(AMOUNT)
    exact = (line.try_cast(AMOUNT) + share).try_cast(AMOUNT) if source.spread else line.try_cast(AMOUNT)
    if not shop.rates:
        return exact
    own = F.when(F.col("currency") == shop.currency, exact)  # foreign money is converted from millionths
    return own.otherwise(_exchange((line + share).try_cast(PRICE), shop, AMOUNT))


def _line(source: Source) -> Column:
    """The money of the line as given."""
    return F.col("quantity") * F.col("price") if _maps(source, "unit_price") else F.col("price")


def _exchange(money: Column, shop: Shop, type_name: str) -> Column:
    """Money (PRICE) in the shop's currency."""
    return (money * exchange_rate(shop)).try_cast(type_name) if shop.rates else money.try_cast(type_name)


def exchange_rate(shop: Shop) -> Column:
    """The value of one unit of `currency` on event_day in the shop's; null if shop.toml has no rate."""
    rate = F.when(F.col("currency") == shop.currency, F.lit(1).cast(RATE))
    newest_first = sorted(shop.rates, key=lambda r: r.first_day.toordinal() if r.first_day else 0, reverse=True)
    for known in newest_first:
        is_meant = F.col("currency") == known.currency
        if known.first_day:
            is_meant &= F.col("event_day") >= F.lit(known.first_day)
        rate = rate.when(is_meant, F.lit(str(known.rate)).cast(RATE))
    return rate


def find_faults(shop: Shop) -> dict[str, Column]:
    """The reason codes of this log and their conditions."""
    rate, quantity, price = exchange_rate(shop), F.col("quantity"), F.col("price")
    is_large = quantity >= F.lit(MOST_QUANTITY)
    has_no_room = F.col("amount").isNull() | F.col("unit_price").isNull() | (F.col("amount") >= F.lit(MOST_AMOUNT))
    is_calculable = quantity.isNotNull() & (quantity != 0) & price.isNotNull() & rate.isNotNull()
    source = shop.sources["purchases"]
    most = source.plausible_amount
    status = source.status
    spread = {"spread_invalid": F.col("is_spread_invalid")} if source.spread else {}
    unknown = {"status_unknown": ~read_word(status, source).isin(*status.words)} if status else {}
    implausible = {} if most is None else {IMPLAUSIBLE: F.col("amount") > F.lit(most)}
    return {
        "quantity_invalid": quantity.isNull(),
        "quantity_zero": quantity == 0,
        "quantity_negative": quantity < 0,
        "quantity_too_large": is_large,
        "price_invalid": price.isNull(),
        "price_negative": price < 0,
        "amount_too_large": is_calculable & has_no_room & ~is_large,
        "currency_unknown": rate.isNull(),
        **implausible,
        **unknown,
        **spread,
    }


JUDGE = LogJudge(type_events, find_faults)
