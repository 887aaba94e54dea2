"""Purchases and returns."""

from __future__ import annotations

from decimal import Decimal

from spark_jobs.contract.log import (
    CATEGORY,
    CATEGORY_COLUMN,
    KIND,
    NUMBER,
    PRODUCT,
    Activity,
    Alternatives,
    Input,
    Log,
    LogWords,
    Measure,
    Reason,
    ReasonGroup,
)
from spark_jobs.contract.shop.toml_text import quote
from spark_jobs.contract.table import Column

NAME = "purchases"
SALE, RETURN = "kind = 'sale'", "kind = 'return'"
SOLD = f"{SALE} and weight > 0"  # nothing is removed from a set, even if an order is cancelled later


def propose_returns(column: str) -> str:
    """The remedy if a minus sign means a return, to be pasted at the end of shop.toml. column: a raw column."""
    return (
        "if these are returns, add at the end of shop.toml:\n"
        f"[[sources.purchases.returns]]\ncolumn = {quote(column)}\nbelow = 0"
    )


def propose_plausible(largest: Decimal) -> str:
    """The remedy if lines of up to this amount are real, with the next round number above it."""
    limit = 10 ** len(str(int(largest)))
    return (
        "see them with python -m spark_jobs.quarantine show; if such lines are real, set under [sources.purchases]"
        f' how much one may be worth: plausible_amount = {limit}, or plausible_amount = "any"'
    )


REJECTIONS = {
    "quantity_invalid": Reason("a quantity that is no number", "map the right column to quantity", "quantity"),
    "quantity_zero": Reason("nothing bought", "nothing, if such lines mean nothing", "quantity"),
    "quantity_negative": Reason(
        "a negative quantity that no rule calls a return", propose_returns("pieces"), "quantity"
    ),
    "quantity_too_large": Reason(
        "a quantity of 10^9 or more",
        "look for a bar code in the quantity, and map the right column to it; a single mistake needs nothing",
        "quantity",
    ),
    "price_invalid": Reason("a price that is no number", "map the right column to unit_price or amount", "unit_price"),
    "price_negative": Reason("a negative price that no rule calls a return", propose_returns("price"), "unit_price"),
    "amount_too_large": Reason(
        "a line of more money than there is room for (10^12)",
        "look for a bar code in price or quantity, and map the right columns; a single mistake needs nothing",
        "unit_price",
    ),
    "amount_implausible": Reason(
        "a line worth a thousand times more than 99 of 100 lines of this shop (of fewer than 500 lines: ten thousand "
        "times more than the median), or more than plausible_amount",
        propose_plausible(Decimal(999_999)),
    ),
    "order_pending": Reason("an order that is not settled yet", "nothing: shop.toml asks for it", is_fault=False),
    "order_cancelled": Reason("an order that was cancelled", "nothing: shop.toml asks for it", is_fault=False),
    "status_unknown": Reason(
        "an order whose status is none of those listed",
        "list the word under [sources.purchases.status], as counted, pending, cancelled or returned",
    ),
    "spread_invalid": Reason(
        "a discount, shipping or tax of the order that is no number, or a discount above the value of its lines",
        "name columns under [sources.purchases.spread] that hold amounts of the whole order",
    ),
    "currency_unknown": Reason(
        "a currency without a rate on that day",
        'add its rate at the end of shop.toml, e.g. the two lines [rates] and USD = "0.92"',
        "currency",
    ),
}

MEASURES = (
    Measure("sale_count", NAME, f"coalesce(sum(weight) filter (where {SALE}), 0)", "bigint", "lines", "purchase lines",
            is_in_days=True),
    Measure("item_quantity", NAME, f"coalesce(sum(weight * quantity) filter (where {SALE}), 0)", "decimal(18,3)",
            "items", "items bought", is_size=True),
    Measure("spend", NAME, f"coalesce(sum(weight * amount) filter (where {SALE}), 0)", "decimal(18,2)",
            "shop currency", "money spent, before refunds", is_size=True),
    Measure("return_count", NAME, f"coalesce(sum(weight) filter (where {RETURN}), 0)", "bigint", "lines",
            "returned lines", is_bad_news=True),
    Measure("refund", NAME, f"coalesce(sum(weight * amount) filter (where {RETURN}), 0)", "decimal(18,2)",
            "shop currency", "money given back for returns"),
)  # fmt: skip

CATEGORY_SET = Measure("categories", NAME, f"collect_set(category) filter (where {SOLD})", "array<string>", "names",
                       "categories bought", ("purchases.category",))  # fmt: skip
SETS = (
    CATEGORY_SET,
    Measure("bought_products", NAME, f"collect_set(xxhash64(product_id)) filter (where {SOLD})",
            "array<bigint>", "hashes", "products bought", ("purchases.product_id",)),
)  # fmt: skip

#: Depends on earlier days, so customer_series counts it.
NEW_CATEGORY_COUNT = Measure("new_category_count", NAME, "", "bigint", "categories",
                             "categories bought for the first time", ("purchases.category",))  # fmt: skip

WORDS = {
    "en": LogWords(
        {
            "sale_count": ("purchases", ""),
            "spend": ("spending", " {currency}"),
            "item_quantity": ("items bought", ""),
            "return_count": ("returns", ""),
            "new_category_count": ("categories bought", ""),
        },
        activity="purchase",
    ),
    "zh": LogWords(
        {
            "sale_count": ("购买", " 次"),
            "spend": ("消费", " {currency}"),
            "item_quantity": ("购买件数", ""),
            "return_count": ("退货", " 次"),
            "new_category_count": ("购买过的品类", " 个"),
        },
        activity="购买",
    ),
}

LOG = Log(
    name=NAME,
    order=1,
    grain="one clean purchase or return line",
    inputs=(
        PRODUCT,
        CATEGORY,
        Input("quantity", NUMBER, is_scaled=True),
        Input("unit_price", NUMBER, is_scaled=True),
        Input("amount", NUMBER, is_scaled=True),
        Input("currency"),
        Input("kind", KIND),
    ),
    alternatives=Alternatives(
        ("unit_price", "amount"), "unit_price or amount, the price of the whole line, and not both", 1
    ),
    kinds=("sale", "return"),
    settings=("returns", "plausible_amount", "status", "spread", "updates", "snapshots"),
    columns=(
        CATEGORY_COLUMN,
        Column("quantity", "decimal(18,3)", "how many, always positive", "items"),
        Column("unit_price", "decimal(18,6)", "price of one item, at the shop's rate of the day", "shop currency"),
        Column("amount", "decimal(18,2)", "money of the line, positive for returns too: as given where the shop maps "
               "it, else quantity times price; at the rate of the day, rounded half up", "shop currency"),
        Column("currency", "string", "the currency it was paid in, ISO 4217"),
        Column("kind", "string", "sale or return"),
        Column("weight", "int", "how often it counts: 1, or -1 where the delivery day takes an event of an earlier one "
               "back; only with updates", default=1),
    ),
    key_columns=("weight",),
    rejections=REJECTIONS,
    measures=MEASURES,
    sets=SETS,
    set_counts=(NEW_CATEGORY_COUNT,),
    activity=Activity("purchase", "sale_count"),
    counted_by=("sale_count", "return_count"),
    typical={"spend per line": ("spend", "sale_count"), "items per line": ("item_quantity", "sale_count")},
    largest={"spend": "largest purchases of a customer", "refund": "largest refund of a customer"},
    reason_groups={
        "recency": ReasonGroup("recency", ("sale_count",)),
        "frequency": ReasonGroup("change", ("sale_count",)),
        "spend": ReasonGroup("change", ("spend",)),
        "basket": ReasonGroup("change", ("item_quantity",)),
        "returns": ReasonGroup("change", ("return_count",)),
        "breadth": ReasonGroup("total", ("new_category_count",)),
    },
    words=WORDS,
)  # fmt: skip
