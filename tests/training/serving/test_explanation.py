"""Reasons: exact effects for every kind, evidence that matters, and sentences that are true."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from spark_jobs.contract.measures import SERIES_MEASURES
from spark_jobs.contract.reason_words import BASE_RATE
from tests.training.candidates import draw_candidate
from tests.training.series import PURCHASE, day, draw_shop_series, make_series, make_shop
from training.config import ModelSettings
from training.models.contenders.blend import BLEND
from training.models.contenders.lstm import LSTM
from training.models.members import NetworkMembers
from training.models.network.served import ServedNetwork
from training.selection.fit import Candidate, fit_candidates
from training.serving.effect_estimates import learn_evidence
from training.serving.evidence import LEVEL_WEEKS, WINDOW_WEEKS, ScoredInputs, list_groups, remove_evidence
from training.serving.explanation import Reasons, find_reasons
from training.serving.reason_choice import choose_reasons
from training.serving.reason_texts import write_texts
from training.tensors.dataset import Tensors, TensorSpec

SHOP = make_shop()
AS_OF = day(199)
HORIZON = 1


SERVED = "served"  # the LSTM as the scoring job has it


@pytest.fixture(scope="module", params=["logistic", "boosting", LSTM, SERVED, BLEND])
def explained(request) -> tuple[Candidate, Tensors, Reasons]:
    """A candidate that has learned to explain itself, 500 customers, and their reasons."""
    series, settings = draw_shop_series(500, 200), ModelSettings(lstm_units=4, folds=2)
    if request.param in (LSTM, SERVED, BLEND):  # drawn weights do
        candidate = draw_candidate(LSTM if request.param == SERVED else request.param, SHOP, settings)
    else:
        candidate = fit_candidates(series, AS_OF, SHOP, settings, (request.param,))[request.param]
    if request.param == SERVED:
        network = ServedNetwork(candidate.members.network.architecture)
        candidate = replace(candidate, members=NetworkMembers(network, candidate.members.weights))
    tensors = candidate.spec.build(series, AS_OF)
    candidate = replace(candidate, typical=tensors.last(tensors.inputs).mean(axis=0))
    candidate = replace(candidate, evidence=learn_evidence(candidate, [tensors]))
    return candidate, tensors, explain(candidate, tensors)


def explain(candidate: Candidate, tensors: Tensors) -> Reasons:
    inputs = ScoredInputs.at(candidate, tensors.inputs, tensors.lengths)
    return find_reasons(candidate, inputs, np.arange(len(tensors.lengths)))


def test_an_effect_is_the_change_of_the_probability_without_the_evidence(explained):
    """Recomputed customer by customer, from the definition."""
    candidate, tensors, reasons = explained
    for row in range(0, 500, 100):
        inputs, lengths = tensors.inputs[row : row + 1], tensors.lengths[row : row + 1]
        for group, weeks, effect in zip(*(values[row] for values in reasons), strict=True):
            without = inputs.copy()
            steps = min(weeks or LEVEL_WEEKS, lengths[0])
            for n, feature in enumerate(candidate.spec.features):
                if feature.group == group:
                    value = inputs[0, lengths[0] - 1 - weeks, n] if weeks else candidate.typical[n]
                    without[0, lengths[0] - steps : lengths[0], n] = value
            fall = (candidate.predict(inputs, lengths) - candidate.predict(without, lengths))[0, HORIZON]
            assert (group in (None, BASE_RATE)) == np.isnan(effect)
            assert group in (None, BASE_RATE) or effect == pytest.approx(fall, abs=1e-6)


def test_reasons_are_ranked_and_name_a_group_once(explained):
    _, _, reasons = explained
    assert (np.isfinite(reasons.effect[:, 0])).mean() > 0.5
    strengths = np.nan_to_num(reasons.effect, nan=0.0)
    assert (np.diff(strengths, axis=1) <= 0).all()
    assert all(len({*named} - {None}) == sum(g is not None for g in named) for named in reasons.group)
    assert set(np.unique(reasons.weeks)) <= set(WINDOW_WEEKS)


def test_named_evidence_moves_the_score_three_times_as_much_as_random_evidence(explained):
    """Random evidence: a random group over equally many weeks, which end on a random day of the history."""
    candidate, tensors, reasons = explained
    named = np.flatnonzero(np.isfinite(reasons.effect[:, 0]))
    inputs, lengths, weeks = tensors.inputs[named], tensors.lengths[named], reasons.weeks[named, 0]
    generator = np.random.default_rng(0)
    group = generator.integers(0, len(list_groups(candidate.spec)), len(named))
    steps = np.minimum(np.where(weeks > 0, weeks + 1, LEVEL_WEEKS), lengths)
    until = generator.integers(steps, lengths, endpoint=True)
    earlier = remove_evidence(candidate, inputs, until, group, weeks)
    is_later = np.arange(inputs.shape[1]) >= until[:, None]
    random = np.where(is_later[:, :, None], inputs, earlier)
    present, without = (candidate.predict(values, lengths)[:, HORIZON] for values in (inputs, random))
    assert reasons.effect[named, 0].mean() >= 3 * np.abs(present - without).mean()


@pytest.mark.parametrize("kind", ["constant", "recency", "logistic", BLEND])
@pytest.mark.parametrize("seed", [3, 4])
def test_every_customer_has_a_reason_even_with_wrong_estimates(kind, seed):
    """With untrained estimates, the reason is the level with the strongest measured effect, and it has a text."""
    candidate, series = draw_candidate(kind, SHOP, ModelSettings(lstm_units=4)), draw_shop_series(60, 200, seed)
    wrong = np.random.default_rng(seed).normal(size=candidate.evidence.shape).astype(np.float32)
    candidate = replace(candidate, evidence=wrong)
    tensors = candidate.spec.build(series, AS_OF)
    inputs = ScoredInputs.at(candidate, tensors.inputs, tensors.lengths)
    reasons = find_reasons(candidate, inputs, np.arange(60))
    assert all(group is not None for group in reasons.group[:, 0])
    bare = np.flatnonzero(reasons.group[:, 0] == BASE_RATE)
    assert kind != "constant" or len(bare) == 60
    for group in range(len(list_groups(candidate.spec))):
        assert (inputs.measure(candidate, bare, np.full(len(bare), group), np.zeros(len(bare), int)) < 1e-4).all()
    for language in ("en", "zh"):
        chosen, texts = choose_reasons(
            reasons, series, candidate.spec.measures, AS_OF, replace(SHOP, language=language), inputs.present
        )
        assert ((texts == None) == (chosen.group == None)).all()  # noqa: E711
        assert all(group is not None for group in chosen.group[:, 0])
        percent = [int(re.search(r"(\d+) ?%", text)[1]) for text in texts[bare, 0]]
        assert percent == np.floor(100 * inputs.present[bare]).astype(int).tolist()
        if language == "en":
            for row, own in enumerate(series["days"].to_pylist()):
                check_sentences([text for text in texts[row] if text], own)


def check_sentences(sentences: list[str], days: list[date]) -> None:
    """Recomputes the sentences of a customer who bought on these days only."""
    for text in sentences:
        inactive, known = ((AS_OF - day_).days for day_ in (days[-1], days[0]))
        facts = (
            ("last (?:purchase|one) {} ago", inactive),
            ("no purchase for {}", inactive),
            ("first seen {} ago", known),
        )
        for words, expected in facts:
            pattern = words.format(r"(\d+) days?")
            assert [int(found) for found in re.findall(pattern, text, re.IGNORECASE)] in ([], [expected]), text
        if "Only one day with a purchase" in text:
            assert len(days) == 1
        assert "no purchase so far" not in text.lower()
        raises_risk = re.search(
            r"fell|^No |No purchase for|Only one day|last purchase|only every|on one day|Nothing stands out", text,
            re.IGNORECASE,
        )  # fmt: skip
        assert raises_risk, text
        gap = (days[-1] - days[0]).days / max(len(days) - 1, 1)
        if re.search(r"^no (purchases|items|spending)|no purchase for|last purchase", text, re.IGNORECASE):
            assert len(days) == 1 or inactive > gap, text
        if found := re.search(r"only every (\d+) day", text):
            assert abs(int(found[1]) - gap) <= 0.5, text
            assert gap >= 30, text


def test_other_weights_give_other_reasons():
    """Reasons are the model's, not the data's."""
    tensors = TensorSpec.from_shop(SHOP, ModelSettings()).build(draw_shop_series(300, 200), AS_OF)
    firsts = []
    for seed in (1, 2):
        candidate = draw_candidate(LSTM, SHOP, ModelSettings(lstm_units=4))
        weights = np.random.default_rng(seed).normal(0, 0.5, candidate.members.weights.shape).astype(np.float32)
        candidate = replace(candidate, members=NetworkMembers(candidate.members.network, weights))
        candidate = replace(candidate, evidence=learn_evidence(candidate, [tensors]))
        firsts.append(explain(candidate, tensors).group[:, 0])
    assert (firsts[0] != firsts[1]).mean() > 0.3


def test_a_typical_customer_has_no_individual_reason(explained):
    candidate, *_ = explained
    inputs = np.tile(candidate.typical.astype(np.float32), (3, 5, 1))
    lengths = np.array([1, 3, 5], np.int32)
    reasons = find_reasons(candidate, ScoredInputs.at(candidate, inputs, lengths), np.arange(3))
    assert reasons.group.tolist() == [[BASE_RATE, None, None]] * 3
    assert np.isnan(reasons.effect).all()


# Sentences

VISITS = {day_number: {"browse_count": 10} for day_number in range(100, 180, 2)}
CUSTOMERS = {
    "often": {number: PURCHASE for number in range(0, 200, 12)},
    "lapsed": {0: PURCHASE, 60: PURCHASE, 120: PURCHASE},
    "late": {
        **{number: {**PURCHASE, "spend": 1} for number in range(133, 173, 13)},
        **{number: {**PURCHASE, "spend": 2.5} for number in (177, 181)},
    },
    "fades": {0: PURCHASE, 50: PURCHASE, 100: PURCHASE, **VISITS, 185: {"browse_count": 21}, 155: PURCHASE},
    "new": {195: {**PURCHASE, "return_count": 1}},
    "today": {199: PURCHASE},
    "one large order": {60: PURCHASE, 100: PURCHASE, 159: {**PURCHASE, "spend": 900}},
    "looks around": {
        **{number: {"browse_count": 1} for number in (60, 150)},
        100: {"browse_count": 400},
        **{number: {"review_count": 1} for number in (165, 175)},  # in a language without texts
    },
    "reviews": {
        0: PURCHASE,
        60: PURCHASE,
        120: PURCHASE,
        190: {**PURCHASE, "judged_count": 2, "sentiment_sum": -1.3, "new_category_count": 2},
    },
}


@pytest.mark.parametrize(
    ("customer", "group", "weeks", "english", "chinese"),
    [
        # 21 events on day 185 after 110 on the eleven even days from 158 to 178
        ("fades", "browsing", 3, "Browsing fell by 81 % in the last 3 weeks", "最近 3 周浏览减少了 81%"),
        ("fades", "browsing", 1, "No browsing in the last week, 70.4 events a month before",
         "最近 1 周没有浏览,之前每月 70.4 次"),
        ("fades", "recency", 0, "A purchase only every 78 days, the last one 44 days ago",
         "平均每隔 78 天才有一次购买,上次在 44 天前"),
        ("lapsed", "frequency", 1, "No purchases in the last week, 0.3 a month before",
         "最近 1 周没有购买,之前每月 0.3 次"),
        ("lapsed", "frequency", 0, "Purchases in the last 26 weeks: 2, last purchase 79 days ago",
         "最近 26 周购买:2 次,上次购买在 79 天前"),
        ("lapsed", "recency", 0, "Last purchase 79 days ago, the usual gap is 60 days",
         "上次购买在 79 天前,平常间隔 60 天"),
        ("fades", "reviews", 13, "No reviews in the last 13 weeks", "最近 13 周没有评论"),
        ("new", "recency", 0, "Only one day with a purchase, 4 days ago", "只在 4 天前购买过一天"),
        ("looks around", "recency", 0, "No purchase so far", "至今没有购买"),
        ("looks around", "frequency", 4, "No purchases in the last 4 weeks", "最近 4 周没有购买"),
        ("looks around", "reviews", 4, "Reviews in the last 4 weeks: 1, no purchase so far",
         "最近 4 周评论:1, 至今没有购买"),
        ("looks around", "reviews", 2, "No reviews in the last 2 weeks", "最近 2 周没有评论"),
        # one event in them after 400
        ("looks around", "browsing", 8, "Browsing fell by 99 % in the last 8 weeks", "最近 8 周浏览减少了 99%"),
        ("new", "tenure", 0, "First seen 4 days ago, last purchase 4 days ago", "首次出现在 4 天前,上次购买在 4 天前"),
        ("new", "spend", 0, "Only one day with a purchase so far, 4 days ago (spending: 10.00 EUR)",
         "只在 4 天前购买过一天(消费:10.00 EUR)"),
        ("new", "frequency", 13, "Only one day with a purchase, 4 days ago", "只在 4 天前购买过一天"),
        ("today", "recency", 0, "Only one day with a purchase, today", "只在今天购买过一天"),
        # 900 of 920; it rose, so it is no reason without the day
        ("one large order", "spend", 13, "Spending so far: 900.00 EUR of 920.00 EUR on one day, 40 days ago",
         "至今消费 920.00 EUR 中有 900.00 EUR 在 40 天前的同一天"),
        ("new", "returns", 2, "Returns in the last 2 weeks: 1", "最近 2 周退货:1 次"),
        ("reviews", "reviews", 4, "Mean review sentiment in the last 4 weeks: -0.7 (-1 bad, 1 good)",
         "最近 4 周评论平均情感:-0.7(-1 差,1 好)"),
        ("reviews", "breadth", 0, "A purchase only every 63 days, the last one 9 days ago",
         "平均每隔 63 天才有一次购买,上次在 9 天前"),
        ("lapsed", "breadth", 0, "Categories bought so far: 0, last purchase 79 days ago",
         "至今购买过的品类:0 个,上次购买在 79 天前"),
        ("late", "spend", 4, "Spending rose by 200 % in the last 4 weeks, last purchase 18 days ago",
         "最近 4 周消费增加了 200%,上次购买在 18 天前"),
        # no reason, whatever the model says: inactive no longer than usual, and often active
        *((customer, group, weeks, None, None) for customer, group, weeks in (
            ("often", "recency", 0), ("often", "frequency", 1), ("often", "frequency", 0), ("often", "spend", 1),
            ("often", "tenure", 0), ("often", "breadth", 0), ("often", "returns", 8), ("fades", "returns", 8),
        )),
    ],
)  # fmt: skip
def test_a_sentence_is_true(customer, group, weeks, english, chinese):
    """Every number is computed by hand from CUSTOMERS."""
    series = make_series({customer: CUSTOMERS[customer]}, AS_OF)
    measures = tuple(measure.name for measure in SERIES_MEASURES)
    reasons = Reasons(np.array([[group]], object), np.array([[weeks]]), np.array([[0.1]]))
    for language, sentence in (("en", english), ("zh", chinese)):
        texts = write_texts(reasons, series, measures, AS_OF, replace(SHOP, language=language), np.array([0.5]))
        assert texts.tolist() == [[sentence]]


def test_only_risk_raising_reasons_are_shown_and_each_once():
    """Of three reasons, the second has no sentence and the third repeats the first; without any left, the base rate."""
    series = make_series({"of rare": CUSTOMERS["fades"], "regular": CUSTOMERS["often"]}, AS_OF)
    measures = tuple(measure.name for measure in SERIES_MEASURES)
    group = np.array([["returns", "recency", "tenure"], ["recency", "tenure", None]], object)
    reasons = Reasons(group, np.zeros((2, 3), int), np.array([[0.3, 0.2, 0.1], [0.2, 0.1, np.nan]]))
    chosen, texts = choose_reasons(reasons, series, measures, AS_OF, SHOP, np.array([0.5, 0.456]))
    assert chosen.group.tolist() == [["recency", None, None], [BASE_RATE, None, None]]
    assert np.array_equal(chosen.effect, [[0.2, np.nan, np.nan], [np.nan] * 3], equal_nan=True)
    assert texts[:, 0].tolist() == [
        "A purchase only every 78 days, the last one 44 days ago",
        "Nothing stands out: of customers like this one 45 % make no purchase within 60 days",
    ]
    assert (texts[:, 1:] == None).all()  # noqa: E711
