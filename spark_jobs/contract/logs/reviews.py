"""Reviews: ratings and texts. A text is turned into a sentiment and dropped."""

from __future__ import annotations

from spark_jobs.contract.log import (
    NUMBER,
    PRODUCT,
    Alternatives,
    Input,
    Log,
    LogWords,
    Measure,
    Reason,
    ReasonGroup,
)
from spark_jobs.contract.table import Column

NAME = "reviews"

LOG = Log(
    name=NAME,
    order=3,
    grain="one clean review, without its text",
    inputs=(PRODUCT, Input("rating", NUMBER, takes_percent=True), Input("text")),
    alternatives=Alternatives(("rating", "text"), "rating, text or both", 2),
    settings=("rating_range",),
    columns=(
        Column("rating", "decimal(5,3)", "the rating on a scale from 1 to 5", "1..5", nullable=True),
        Column("sentiment", "decimal(4,3)", "from the text, else from the rating: -1 bad, 0 neutral, 1 good", "-1..1",
               nullable=True),
    ),
    rejections={
        "rating_invalid": Reason("a rating that is no number", "map the right column to rating", "rating"),
        "rating_out_of_range": Reason("a rating outside the shop's range", "set rating_range", "rating"),
        "review_empty": Reason("neither rating nor text", "nothing, if such reviews mean nothing", "rating"),
    },
    measures=(
        Measure("review_count", NAME, "count(*)", "bigint", "reviews", "reviews written"),
        Measure("rated_count", NAME, "count(rating)", "bigint", "reviews", "reviews with a rating",
                ("reviews.rating",)),
        Measure("rating_sum", NAME, "coalesce(sum(rating), 0)", "decimal(18,3)", "shop's rating",
                "ratings given, added up", ("reviews.rating",)),
        Measure("judged_count", NAME, "count(sentiment)", "bigint", "reviews", "reviews with a sentiment"),
        Measure("sentiment_sum", NAME, "coalesce(sum(sentiment), 0)", "decimal(18,3)", "-1..1 each",
                "sentiments of reviews, added up"),
    ),
    counted_by=("review_count",),
    is_daily=False,  # reviews are written days after the purchase
    typical={"rating": ("rating_sum", "rated_count")},
    reason_groups={"reviews": ReasonGroup("mean", ("sentiment_sum", "judged_count", "review_count"))},
    words={
        "en": LogWords(
            {"sentiment_sum": ("mean review sentiment", " (-1 bad, 1 good)"), "review_count": ("reviews", "")}
        ),
        "zh": LogWords({"sentiment_sum": ("评论平均情感", "(-1 差,1 好)"), "review_count": ("评论", "")}),
    },
)  # fmt: skip
