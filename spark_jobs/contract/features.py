"""The model's inputs, one row each. The facts that they are computed from are in measures.py.

A feature is one model input. On a grid of steps counted back from the chosen day, `training/tensors/dataset.py`
computes `squash(op(measure))` at the end of every step, from that day and the days before it only. So no input can
see the future.
To add a feature, add a row here and its known number in tests/training/tensors/test_dataset.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from spark_jobs.contract.measures import ACTIVITY_MEASURES, available_measures


@dataclass(frozen=True)
class Feature:
    """One model input.

    An input uses what was known at the end of its step. An event that was delivered late counts from the step in which
    it was delivered.

    Before the first day with measure > 0, days_since, quiet_for and gap_ratio count from the customer's first day.

    op        step_sum      sum of the measure over the step's days
              step_days     number of the step's days with measure > 0
              total_sum     sum over all days so far
              total_days    number of days so far with measure > 0
              decayed_sum   sum over all days so far of measure * 2^(-days ago / arg)
              decayed_days  the same, with 1 for each day with measure > 0 and 0 for the others
              days_since    days from the last day with measure > 0 to the step's end
              quiet_for     1 when days_since >= arg, else 0
              gap_ratio     days_since over the mean gap between the days with measure > 0; the mean gap is
                            (days from the first such day to the last, + 1) / number of such days
      recent_mean   sum of measure over the last arg days / sum of the measure `per` over the same days
              age           days from the customer's first day to the step's end; uses no measure
    squash    log1p, or none
    fill      the value of recent_mean if its denominator is 0
    group     the reason group that the input belongs to, see log.ReasonGroup
    per       the measure that recent_mean divides by
    is_retired  new models leave it out; models trained with it still compute it. To remove an input, retire it first,
              and delete its row (and a measure that nothing else needs) when no model in use has it
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
    is_retired: bool = False

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures in the formula."""
        return tuple(name for name in (self.measure, self.per) if name)

    @property
    def formula(self) -> str:
        inner = self.op + "(" + ", ".join(str(x) for x in (*self.measures, self.arg) if x is not None) + ")"
        return f"log1p({inner})" if self.squash == "log1p" else inner

    @property
    def starts_on_first_day(self) -> bool:
        """Whether it counts from the customer's first day before there is a day with the measure."""
        return self.op in ("days_since", "quiet_for", "gap_ratio")

    @property
    def counts_days(self) -> bool:
        """Whether only days with a measure above zero count, not the amounts."""
        return self.starts_on_first_day or self.op in ("step_days", "total_days", "decayed_days")

    @property
    def grows(self) -> bool:
        """Whether it never falls over time, whatever customers do. The distribution of such an input always shifts."""
        return self.op in ("age", "total_sum", "total_days")

    @property
    def fingerprint(self) -> str:
        """Stored in the model bundle: a model scores only while the formulas of its inputs are unchanged."""
        fill = "first day" if self.starts_on_first_day else f"{self.fill:g}"
        return f"{self.formula} fill={fill}"


def _feature(
    name, group, op, measure=None, arg=None, squash="log1p", unit="", fill=0.0, meaning="", per=None, is_retired=False
):
    return Feature(name, group, op, measure, arg, squash, unit, fill, meaning, per, is_retired)


#: Every activity measure has an input with each of these ops.
ACTIVITY_OPS = ("total_days", "days_since")

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


def available_features(mapped: Mapping[str, Collection[str]]) -> tuple[Feature, ...]:
    """The features of a shop, retired ones included. If a log or column is absent, so are its features: never zero."""
    names = {m.name for m in available_measures(mapped)}
    return tuple(f for f in FEATURES if set(f.measures) <= names)


def find_activity_features(activity: str) -> tuple[str, str]:
    """The inputs of a model of one activity alone: the days with it so far, and the days since the last one."""
    measure = ACTIVITY_MEASURES[activity]
    total, since = (next(f.name for f in FEATURES if (f.op, f.measure) == (op, measure)) for op in ACTIVITY_OPS)
    return total, since
