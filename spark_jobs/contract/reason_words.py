"""The sentences of reasons, in every language that a shop may choose. The measures of each group of inputs and their
names are declared in the log's file of `logs/`.

`training/serving/reason_texts.py` fills the sentences with numbers from the customer's own series, so they are true
whatever the model predicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spark_jobs.contract.log import LogWords, ReasonGroup
from spark_jobs.contract.logs import LOGS
from spark_jobs.contract.measures import SERIES_MEASURES

REASON_GROUPS: dict[str, ReasonGroup] = {
    **{name: group for log in LOGS.values() for name, group in log.reason_groups.items()},
    "tenure": ReasonGroup("tenure"),
}
#: The reason of a customer whose risk nothing raises above that of similar customers.
BASE_RATE = "base_rate"
#: Measures whose rise is bad news; for all others a fall is.
BAD_NEWS = tuple(measure.name for measure in SERIES_MEASURES if measure.is_bad_news)
#: Measures that one large order can dominate.
ORDER_SIZES = tuple(measure.name for measure in SERIES_MEASURES if measure.is_size)
#: Measures that are written with cents.
MONEY = tuple(measure.name for measure in SERIES_MEASURES if measure.is_money)
#: Measures of which reasons count the days, not the sum.
COUNTED_IN_DAYS = tuple(measure.name for measure in SERIES_MEASURES if measure.is_in_days)


@dataclass(frozen=True)
class Language:
    """nouns: measure -> its name, and the unit of its amounts; `{currency}` is the shop's.

    activities  churn.activity -> its name
    last        added to a fact: when the customer was last active
    rare        for a customer who is seldom active and has been silent no longer than usual
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


def _gather_words(language: str) -> dict[str, dict]:
    """The names of all logs' measures and activities in this language."""
    words = {name: log.words.get(language, LogWords({})) for name, log in LOGS.items()}
    return {
        "nouns": {measure: noun for own in words.values() for measure, noun in own.nouns.items()},
        "activities": {log.activity.name: words[log.name].activity for log in LOGS.values() if log.activity},
    }


LANGUAGES: dict[str, Language] = {
    "en": Language(
        **_gather_words("en"),
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
        **_gather_words("zh"),
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


def reason_fingerprint(language: str) -> str:
    """What the sentences in this language depend on besides the code that fills them."""
    return repr((LANGUAGES[language], REASON_GROUPS, BAD_NEWS, ORDER_SIZES, MONEY, COUNTED_IN_DAYS))
