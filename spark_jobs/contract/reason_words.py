"""How is a reason told? What each group of inputs counts, and the sentences, in every language a shop may choose.

`training/serving/reason_texts.py` fills the sentences with numbers of the customer's own series, so what they say is
true whatever the model thinks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ReasonGroup:
    """What is told of a group of inputs (features.Feature.group).

    told      change: more or less than before; total: everything so far; mean: the first measure over the second or,
              where that is 0, how many there were of the third; recency and tenure: their own sentences
    measures  of the series: the first that the shop has is told; of a mean all three
    """

    told: str
    measures: tuple[str, ...] = ()


REASON_GROUPS: dict[str, ReasonGroup] = {
    "recency": ReasonGroup("recency", ("sale_count",)),
    "frequency": ReasonGroup("change", ("sale_count",)),
    "spend": ReasonGroup("change", ("spend",)),
    "basket": ReasonGroup("change", ("item_quantity",)),
    "returns": ReasonGroup("change", ("return_count",)),
    "breadth": ReasonGroup("total", ("new_category_count",)),
    "tenure": ReasonGroup("tenure"),
    "browsing": ReasonGroup("change", ("browse_count",)),
    "cart": ReasonGroup("change", ("abandoned_cart_count", "cart_add_count")),
    "reviews": ReasonGroup("mean", ("sentiment_sum", "judged_count", "review_count")),
}
#: The reason of a customer whose risk no piece of evidence raises: it is that of everybody like this one.
BASE_RATE = "base_rate"
#: What is bad news where there is more of it; of all else, less is.
BAD_NEWS = ("return_count", "abandoned_cart_count")
#: What one large order dominates.
ORDER_SIZES = ("spend", "item_quantity")
#: Of these the days count, not the sum: a purchase of five lines is one purchase.
COUNTED_IN_DAYS = ("sale_count",)


@dataclass(frozen=True)
class Language:
    """nouns: measure -> what it is called, and the unit of its amounts; `{currency}` is the shop's.

    activities  churn.activity -> what it is called
    last        the clause that makes a fact a risk: how long the customer has been silent
    rare        what makes a risk of him who has been silent no longer than usual: that he is seldom active
    """

    nouns: Mapping[str, tuple[str, str]]
    activities: Mapping[str, str]
    ago: str
    today: str
    one_day: str
    days: str
    one_week: str
    weeks: str
    fell: str
    rose: str
    none: str
    none_after: str
    amount: str
    total: str
    long_gap: str
    usual_gap: str
    rare: str
    one_purchase: str
    no_purchase: str
    tenure: str
    last: str
    one_day_amount: str
    one_off: str
    base_rate: str


LANGUAGES: dict[str, Language] = {
    "en": Language(
        nouns={
            "sale_count": ("purchases", ""),
            "spend": ("spending", " {currency}"),
            "item_quantity": ("items bought", ""),
            "return_count": ("returns", ""),
            "new_category_count": ("categories bought", ""),
            "browse_count": ("browsing", " events"),
            "abandoned_cart_count": ("products left in the cart", ""),
            "cart_add_count": ("products put into the cart", ""),
            "sentiment_sum": ("mean review sentiment", " (-1 bad, 1 good)"),
            "review_count": ("reviews", ""),
        },
        activities={"purchase": "purchase", "visit": "visit"},
        ago="{days} ago",
        today="today",
        one_day="1 day",
        days="{count} days",
        one_week="week",
        weeks="{count} weeks",
        fell="{noun} fell by {percent} % in the last {weeks}",
        rose="{noun} rose by {percent} % in the last {weeks}",
        none="no {noun} in the last {weeks}",
        none_after="no {noun} in the last {weeks}, {amount} a month before",
        amount="{noun} in the last {weeks}: {amount}",
        total="{noun} so far: {amount}",
        long_gap="no purchase for {days}, {ratio} times the usual gap",
        usual_gap="last purchase {ago}, the usual gap is {gap}",
        rare="a {activity} only every {gap}, the last one {ago}",
        one_purchase="only one day with a purchase, {ago}",
        no_purchase="no purchase so far",
        tenure="first seen {ago}",
        last="{fact}, last {activity} {ago}",
        one_day_amount="only one day with a purchase so far, {ago} ({noun}: {amount})",
        one_off="{noun} so far: {amount} of {total} on one day, {ago}",
        base_rate="nothing stands out: of customers like this one {percent} % make no {activity} within {days}",
    ),
    "zh": Language(
        nouns={
            "sale_count": ("购买", " 次"),
            "spend": ("消费", " {currency}"),
            "item_quantity": ("购买件数", ""),
            "return_count": ("退货", " 次"),
            "new_category_count": ("购买过的品类", " 个"),
            "browse_count": ("浏览", " 次"),
            "abandoned_cart_count": ("加购未买的商品", " 件"),
            "cart_add_count": ("加购商品", " 件"),
            "sentiment_sum": ("评论平均情感", "(-1 差,1 好)"),
            "review_count": ("评论", ""),
        },
        activities={"purchase": "购买", "visit": "访问"},
        ago=" {days}前",
        today="今天",
        one_day="1 天",
        days="{count} 天",
        one_week=" 1 周",
        weeks=" {count} 周",
        fell="最近{weeks}{noun}减少了 {percent}%",
        rose="最近{weeks}{noun}增加了 {percent}%",
        none="最近{weeks}没有{noun}",
        none_after="最近{weeks}没有{noun},之前每月 {amount}",
        amount="最近{weeks}{noun}:{amount}",
        total="至今{noun}:{amount}",
        long_gap="已 {days}没有购买,是平常间隔的 {ratio} 倍",
        usual_gap="上次购买在{ago},平常间隔 {gap}",
        rare="平均每隔 {gap}才有一次{activity},上次在{ago}",
        one_purchase="只在{ago}购买过一天",
        no_purchase="至今没有购买",
        tenure="首次出现在{ago}",
        last="{fact},上次{activity}在{ago}",
        one_day_amount="只在{ago}购买过一天({noun}:{amount})",
        one_off="至今{noun} {total} 中有 {amount} 在{ago}的同一天",
        base_rate="没有特别之处:这类顾客有 {percent}% 在 {days}内没有{activity}",
    ),
}
