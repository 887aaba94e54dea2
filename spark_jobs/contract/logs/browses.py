"""Browsing: what a customer looked at, searched and put into the cart."""

from __future__ import annotations

from spark_jobs.contract.log import (
    CATEGORY,
    CATEGORY_COLUMN,
    KIND,
    MOST_TEXT_BYTES,
    NUMBER,
    PRODUCT,
    Activity,
    Input,
    Log,
    LogWords,
    Measure,
    Reason,
    ReasonGroup,
)
from spark_jobs.contract.table import Column

NAME = "browses"

REJECTIONS = {
    "dwell_invalid": Reason("a dwell time that is no number", "map the right column to dwell_seconds", "dwell_seconds"),
    "dwell_negative": Reason("a negative dwell time", "check what the shop measures", "dwell_seconds"),
    "dwell_too_large": Reason(
        "a dwell time of 10^9 seconds or more",
        "check the unit, it is seconds; a single mistake needs nothing",
        "dwell_seconds",
    ),
}

MEASURES = (
    Measure("browse_count", NAME, "count(*)", "bigint", "events", "browsing events of any kind"),
    Measure("view_count", NAME, "count_if(kind = 'view')", "bigint", "views", "products or pages looked at"),
    Measure("search_count", NAME, "count_if(kind = 'search')", "bigint", "searches", "searches", ("browses.kind",)),
    Measure("cart_add_count", NAME, "count_if(kind = 'cart_add')", "bigint", "adds", "products put into the cart",
            ("browses.kind",)),
    Measure("cart_remove_count", NAME, "count_if(kind = 'cart_remove')", "bigint", "removals",
            "products taken out of the cart", ("browses.kind",)),
    Measure("dwell_seconds", NAME, "coalesce(sum(dwell_seconds), 0)", "decimal(18,3)", "seconds",
            "time spent on pages", ("browses.dwell_seconds",)),
)  # fmt: skip

SETS = (
    Measure("carted_products", NAME,
            "collect_set(xxhash64(product_id)) filter (where kind = 'cart_add' and product_id is not null)",
            "array<bigint>", "hashes", "products put into the cart", ("browses.product_id", "browses.kind")),
    Measure("viewed_categories", NAME, "collect_set(category)", "array<string>", "names", "categories browsed",
            ("browses.category",)),
    Measure("sessions", NAME, "collect_set(session_key)", "array<bigint>", "hashes", "sessions"),
)  # fmt: skip

SET_COUNTS = (
    Measure("session_count", NAME, "", "bigint", "sessions", "sessions", counts="sessions"),
    Measure("viewed_category_count", NAME, "", "bigint", "categories", "different categories browsed",
            ("browses.category",), counts="viewed_categories"),
    Measure("abandoned_cart_count", NAME, "", "bigint", "products",
            "products put into the cart and not bought that day",
            ("browses.kind", "browses.product_id", "purchases.product_id"), is_bad_news=True,
            counts="carted_products", without="bought_products"),
)  # fmt: skip

WORDS = {
    "en": LogWords(
        {
            "browse_count": ("browsing", " events"),
            "abandoned_cart_count": ("products left in the cart", ""),
            "cart_add_count": ("products put into the cart", ""),
        },
        activity="visit",
    ),
    "zh": LogWords(
        {
            "browse_count": ("浏览", " 次"),
            "abandoned_cart_count": ("加购未买的商品", " 件"),
            "cart_add_count": ("加购商品", " 件"),
        },
        activity="访问",
    ),
}

LOG = Log(
    name=NAME,
    order=2,
    grain="one clean browsing event",
    inputs=(
        Input("kind", KIND),
        PRODUCT,
        CATEGORY,
        Input("session_id", most_bytes=MOST_TEXT_BYTES),
        Input("dwell_seconds", NUMBER, is_scaled=True),
    ),
    kinds=("view", "search", "cart_add", "cart_remove"),
    columns=(
        CATEGORY_COLUMN,
        Column("kind", "string", "view, search, cart_add or cart_remove"),
        Column("session_id", "string", "the shop's own session", nullable=True),
        Column("dwell_seconds", "decimal(18,3)", "time spent on the page", "seconds", nullable=True),
    ),
    rejections=REJECTIONS,
    measures=MEASURES,
    sets=SETS,
    set_counts=SET_COUNTS,
    activity=Activity("visit", "browse_count"),
    counted_by=("browse_count",),
    typical={"seconds per visit event": ("dwell_seconds", "browse_count")},
    reason_groups={
        "browsing": ReasonGroup("change", ("browse_count",)),
        "cart": ReasonGroup("change", ("abandoned_cart_count", "cart_add_count")),
    },
    words=WORDS,
)
