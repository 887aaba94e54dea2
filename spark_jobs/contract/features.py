"""The inputs of the model and the facts they are made from: one row each, and their only home.

A measure is a column of customer_day and an array of customer_series. Its `sql` sums clean events of one
customer, event day and delivery day, so measures add up over deliveries and days. What does not add up is a daily set
in customer_day, and customer_series counts from it once all deliveries of the day are united.

A feature is one model input. On a grid of steps counted back from the chosen day, `training/tensors/dataset.py`
computes `squash(op(measure))` at the end of every step from that day and the days before it only: causal by
construction.
To add a feature, add a row here and its known number in tests/training/tensors/test_dataset.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A fact that adds up. `needs` are the canonical columns, as log.column, without which a shop does not have it."""

    name: str
    log: str
    sql: str
    type: str
    unit: str
    meaning: str
    needs: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """What decides its values: days that another formula was summed by are due again."""
        return f"{self.name} {self.type} {self.log}: {self.sql}"


SALE = "kind = 'sale'"
RETURN = "kind = 'return'"

MEASURES: tuple[Measure, ...] = (
    Measure("sale_count", "purchases", f"count_if({SALE})", "bigint", "lines", "purchase lines"),
    Measure("item_quantity", "purchases", f"coalesce(sum(quantity) filter (where {SALE}), 0)", "decimal(18,3)",
            "items", "items bought"),
    Measure("spend", "purchases", f"coalesce(sum(amount) filter (where {SALE}), 0)", "decimal(18,2)",
            "shop currency", "money spent, before refunds"),
    Measure("return_count", "purchases", f"count_if({RETURN})", "bigint", "lines", "returned lines"),
    Measure("refund", "purchases", f"coalesce(sum(amount) filter (where {RETURN}), 0)", "decimal(18,2)",
            "shop currency", "money given back for returns"),
    Measure("browse_count", "browses", "count(*)", "bigint", "events", "browsing events of any kind"),
    Measure("view_count", "browses", "count_if(kind = 'view')", "bigint", "views", "products or pages looked at"),
    Measure("search_count", "browses", "count_if(kind = 'search')", "bigint", "searches", "searches",
            ("browses.kind",)),
    Measure("cart_add_count", "browses", "count_if(kind = 'cart_add')", "bigint", "adds", "products put into the cart",
            ("browses.kind",)),
    Measure("cart_remove_count", "browses", "count_if(kind = 'cart_remove')", "bigint", "removals",
            "products taken out of the cart", ("browses.kind",)),
    Measure("dwell_seconds", "browses", "coalesce(sum(dwell_seconds), 0)", "decimal(18,3)", "seconds",
            "time spent on pages", ("browses.dwell_seconds",)),
    Measure("review_count", "reviews", "count(*)", "bigint", "reviews", "reviews written"),
    Measure("rated_count", "reviews", "count(rating)", "bigint", "reviews", "reviews with a rating",
            ("reviews.rating",)),
    Measure("rating_sum", "reviews", "coalesce(sum(rating), 0)", "decimal(18,3)", "shop's rating",
            "ratings given, added up", ("reviews.rating",)),
    Measure("judged_count", "reviews", "count(sentiment)", "bigint", "reviews", "reviews with a sentiment"),
    Measure("sentiment_sum", "reviews", "coalesce(sum(sentiment), 0)", "decimal(18,3)", "-1..1 each",
            "sentiments of reviews, added up"),
)  # fmt: skip

#: What qualifies as activity, by the name a shop chooses: the measure that must be above zero.
ACTIVITY_MEASURES = {"purchase": "sale_count", "visit": "browse_count"}

#: Not sums but sets per day: deliveries of a day add up by union. Products are kept as hashes, they are only compared.
CATEGORY_SET = Measure("categories", "purchases", f"collect_set(category) filter (where {SALE})", "array<string>",
                       "names", "categories bought", ("purchases.category",))  # fmt: skip
SETS: tuple[Measure, ...] = (
    CATEGORY_SET,
    Measure("bought_products", "purchases", f"collect_set(xxhash64(product_id)) filter (where {SALE})",
            "array<bigint>", "hashes", "products bought", ("purchases.product_id",)),
    Measure("carted_products", "browses",
            "collect_set(xxhash64(product_id)) filter (where kind = 'cart_add' and product_id is not null)",
            "array<bigint>", "hashes", "products put into the cart", ("browses.product_id", "browses.kind")),
    Measure("viewed_categories", "browses", "collect_set(category)", "array<string>", "names", "categories browsed",
            ("browses.category",)),
    Measure("sessions", "browses", "collect_set(session_key)", "array<bigint>", "hashes", "sessions"),
)  # fmt: skip

#: Two events of a customer further apart than this belong to two sessions, where the shop names no sessions: the
#: usual definition, e.g. of web analytics.
SESSION_GAP_MINUTES = 30

#: Needs the days before: all others below count within their day.
NEW_CATEGORY_COUNT = Measure("new_category_count", "purchases", "", "bigint", "categories",
                             "categories bought for the first time", ("purchases.category",))  # fmt: skip
#: Their `sql` looks at the united sets of one day.
SET_COUNTS: tuple[Measure, ...] = (
    Measure("session_count", "browses", "size(sessions)", "bigint", "sessions", "sessions"),
    Measure("viewed_category_count", "browses", "size(viewed_categories)", "bigint", "categories",
            "different categories browsed", ("browses.category",)),
    Measure("abandoned_cart_count", "browses", "size(array_except(carted_products, bought_products))", "bigint",
            "products", "products put into the cart and not bought that day",
            ("browses.kind", "browses.product_id", "purchases.product_id")),
)  # fmt: skip

SERIES_MEASURES: tuple[Measure, ...] = (*MEASURES, NEW_CATEGORY_COUNT, *SET_COUNTS)


@dataclass(frozen=True)
class Feature:
    """One model input.

    Where there is no day with measure > 0 yet, the customer's first day stands for it in days_since, quiet_for and
    gap_ratio: who has never bought has not bought today.

    op        step_sum      sum of the measure over the step's days
              step_days     number of the step's days with measure > 0
              total_sum     sum over all days so far
              total_days    number of days so far with measure > 0
              decayed_sum   sum over all days so far of measure * 2^(-days ago / arg)
              decayed_days  the same of the days' indicator, measure > 0
              days_since    days from the last day with measure > 0 to the step's end
              quiet_for     1 when days_since >= arg, else 0
              gap_ratio     days_since over the mean gap between the days with measure > 0; the mean gap is
                            (days from the first such day to the last, + 1) / number of such days
      recent_mean   sum of measure over the last arg days / sum of the measure `per` over the same days
              age           days from the customer's first day to the step's end; uses no measure
    squash    log1p, or none
    fill      the value of a recent_mean that has nothing to take the mean of
    group     what the reasons name together; risk_reasons.py has the words for it
    per       the measure that recent_mean divides by
    """

    name: str
    group: str
    op: str
    measure: str | None
    arg: float | None
    squash: str
    unit: str
    fill: float
    meaning: str
    per: str | None = None

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that the formula looks at."""
        return tuple(name for name in (self.measure, self.per) if name)

    @property
    def formula(self) -> str:
        inner = self.op + "(" + ", ".join(str(x) for x in (*self.measures, self.arg) if x is not None) + ")"
        return f"log1p({inner})" if self.squash == "log1p" else inner

    @property
    def starts_on_first_day(self) -> bool:
        """Whether the customer's first day stands for a day that has not come yet."""
        return self.op in ("days_since", "quiet_for", "gap_ratio")

    @property
    def fingerprint(self) -> str:
        """What a bundle keeps of a feature: a model scores only with inputs whose formula is still the same."""
        fill = "first day" if self.starts_on_first_day else f"{self.fill:g}"
        return f"{self.formula} fill={fill}"


def _feature(name, group, op, measure=None, arg=None, squash="log1p", unit="", fill=0.0, meaning="", per=None):
    return Feature(name, group, op, measure, arg, squash, unit, fill, meaning, per)


FEATURES: tuple[Feature, ...] = (
    _feature("purchase_days", "frequency", "step_days", "sale_count", unit="days",
             meaning="days with a purchase in the step"),
    _feature("purchase_days_decayed_7", "frequency", "decayed_days", "sale_count", 7, unit="days",
             meaning="days with a purchase, half as much weight every 7 days"),
    _feature("purchase_days_decayed_30", "frequency", "decayed_days", "sale_count", 30, unit="days",
             meaning="days with a purchase, half as much weight every 30 days"),
    _feature("purchase_days_decayed_90", "frequency", "decayed_days", "sale_count", 90, unit="days",
             meaning="days with a purchase, half as much weight every 90 days"),
    _feature("purchase_days_total", "frequency", "total_days", "sale_count", unit="days",
             meaning="days with a purchase so far"),
    _feature("days_since_purchase", "recency", "days_since", "sale_count", unit="days",
             meaning="days since the last purchase; since the first event of a customer who never bought"),
    _feature("no_purchase_30d", "recency", "quiet_for", "sale_count", 30, squash="none", unit="0 or 1",
             meaning="30 days without a purchase"),
    _feature("days_since_to_gap", "recency", "gap_ratio", "sale_count", unit="ratio",
             meaning="days since the last purchase, in the customer's own usual gaps"),
    _feature("spend", "spend", "step_sum", "spend", unit="shop currency", meaning="money spent in the step"),
    _feature("spend_decayed_30", "spend", "decayed_sum", "spend", 30, unit="shop currency",
             meaning="money spent, half as much weight every 30 days"),
    _feature("spend_decayed_90", "spend", "decayed_sum", "spend", 90, unit="shop currency",
             meaning="money spent, half as much weight every 90 days"),
    _feature("spend_total", "spend", "total_sum", "spend", unit="shop currency", meaning="money spent so far"),
    _feature("lines", "basket", "step_sum", "sale_count", unit="lines", meaning="purchase lines in the step"),
    _feature("items_decayed_90", "basket", "decayed_sum", "item_quantity", 90, unit="items",
             meaning="items bought, half as much weight every 90 days"),
    _feature("lines_decayed_90", "basket", "decayed_sum", "sale_count", 90, unit="lines",
             meaning="purchase lines, half as much weight every 90 days"),
    _feature("returns_decayed_90", "returns", "decayed_sum", "return_count", 90, unit="lines",
             meaning="returned lines, half as much weight every 90 days"),
    _feature("refund_decayed_90", "returns", "decayed_sum", "refund", 90, unit="shop currency",
             meaning="money given back, half as much weight every 90 days"),
    _feature("category_breadth", "breadth", "total_sum", "new_category_count", unit="categories",
             meaning="different categories bought so far"),
    _feature("age", "tenure", "age", unit="days", meaning="days since the customer's first event"),
    _feature("visit_days", "browsing", "step_days", "browse_count", unit="days",
             meaning="days with a visit in the step"),
    _feature("visit_days_decayed_7", "browsing", "decayed_days", "browse_count", 7, unit="days",
             meaning="days with a visit, half as much weight every 7 days"),
    _feature("visit_days_decayed_30", "browsing", "decayed_days", "browse_count", 30, unit="days",
             meaning="days with a visit, half as much weight every 30 days"),
    _feature("visit_days_total", "browsing", "total_days", "browse_count", unit="days",
             meaning="days with a visit so far"),
    _feature("days_since_visit", "browsing", "days_since", "browse_count", unit="days",
             meaning="days since the last visit; since the first event of a customer who never visited"),
    _feature("days_since_visit_to_gap", "browsing", "gap_ratio", "browse_count", unit="ratio",
             meaning="days since the last visit, in the customer's own usual gaps"),
    _feature("sessions_decayed_30", "browsing", "decayed_sum", "session_count", 30, unit="sessions",
             meaning="sessions, half as much weight every 30 days"),
    _feature("views_decayed_30", "browsing", "decayed_sum", "view_count", 30, unit="views",
             meaning="products looked at, half as much weight every 30 days"),
    _feature("dwell_decayed_30", "browsing", "decayed_sum", "dwell_seconds", 30, unit="seconds",
             meaning="time spent on pages, half as much weight every 30 days"),
    _feature("searches_decayed_30", "browsing", "decayed_sum", "search_count", 30, unit="searches",
             meaning="searches, half as much weight every 30 days"),
    _feature("viewed_categories_decayed_30", "browsing", "decayed_sum", "viewed_category_count", 30, unit="categories",
             meaning="categories browsed a day, half as much weight every 30 days"),
    _feature("cart_adds_decayed_30", "cart", "decayed_sum", "cart_add_count", 30, unit="adds",
             meaning="products put into the cart, half as much weight every 30 days"),
    _feature("abandoned_carts_decayed_30", "cart", "decayed_sum", "abandoned_cart_count", 30, unit="products",
             meaning="products put into the cart and not bought that day, half as much weight every 30 days"),
    _feature("reviews_decayed_90", "reviews", "decayed_sum", "review_count", 90, unit="reviews",
             meaning="reviews written, half as much weight every 90 days"),
    _feature("sentiment_30d", "reviews", "recent_mean", "sentiment_sum", 30, squash="none", unit="-1..1",
             per="judged_count", meaning="review sentiment of the last 30 days; 0 where there is none"),
    _feature("rating_90d", "reviews", "recent_mean", "rating_sum", 90, squash="none", unit="shop's rating", fill=3.0,
             per="rated_count", meaning="mean rating of the last 90 days; 3 where there is none"),
)  # fmt: skip


def available_measures(mapped: Mapping[str, Collection[str]]) -> tuple[Measure, ...]:
    """The series measures of a shop that maps these canonical columns, by log."""
    columns = {f"{log}.{column}" for log, names in mapped.items() for column in names}
    return tuple(m for m in SERIES_MEASURES if m.log in mapped and set(m.needs) <= columns)


def available_features(mapped: Mapping[str, Collection[str]]) -> tuple[Feature, ...]:
    """The features of a shop: an absent log or column makes its features absent, never zero."""
    names = {m.name for m in available_measures(mapped)}
    return tuple(f for f in FEATURES if set(f.measures) <= names)
