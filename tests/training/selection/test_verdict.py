"""The gate: which candidates are refused, for which reasons, and what is only a warning."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.training.draws import add_noise, draw_outcomes
from tests.training.evaluation.test_predictions import make_predictions
from training.reporting.words import write_calibration_note, write_verdict
from training.selection.verdict import FEWEST_OUTCOMES, MARGIN, choose_simplest_best, judge


def judge_one(outcome: np.ndarray, p: np.ndarray, contender_p: np.ndarray):
    predictions = make_predictions(outcome, {"lstm": p, "logistic": contender_p, "recency": np.full(len(p), 0.5)})
    return judge(predictions, "lstm", best={30: "logistic"}, fallback="logistic")


def test_a_clearly_worse_candidate_is_refused_and_the_fallback_scores():
    outcome, p = draw_outcomes(2000)
    noisy = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + np.random.default_rng(4).normal(0, 1, 2000))))
    verdict = judge_one(outcome, noisy, p)
    assert (verdict.passed, verdict.promoted, verdict.horizons[0].log_loss_ok) == (False, "logistic", False)
    assert verdict.horizons[0].comparison.log_loss_interval[0] > 0
    assert "30 days: log loss of lstm is worse than that of logistic" in verdict.reasons[0]


def test_an_equal_candidate_passes():
    outcome, p = draw_outcomes(2000)
    verdict = judge_one(outcome, p, p)
    assert (verdict.passed, verdict.promoted, verdict.reasons) == (True, "lstm", ())


def test_a_candidate_behind_by_less_than_chance_passes():
    outcome, p = draw_outcomes(400)
    slightly_off = np.clip(p + np.random.default_rng(2).normal(0, 0.03, 400), 0.01, 0.99)
    verdict = judge_one(outcome, slightly_off, p)
    assert verdict.horizons[0].comparison.log_loss_difference > 0
    assert verdict.passed


def test_a_miscalibrated_candidate_is_refused_where_its_contender_is_calibrated():
    outcome, p = draw_outcomes(2000)
    verdict = judge_one(outcome, p * 0.8, p)
    assert not verdict.horizons[0].calibration.ok
    assert (verdict.passed, verdict.promoted) == (False, "logistic")
    assert any("calibration error of lstm" in reason for reason in verdict.reasons)


def test_where_the_contender_is_miscalibrated_too_it_is_a_warning():
    outcome, p = draw_outcomes(2000)
    verdict = judge_one(outcome, p * 0.8, p * 0.6)
    [horizon] = verdict.horizons
    own, other = horizon.calibration, horizon.contender_calibration
    assert (horizon.log_loss_ok, own.bins_ok, other.bins_ok) == (True, False, False)
    assert other.ece > own.ece > own.ece_bound
    assert (verdict.passed, verdict.promoted, verdict.reasons) == (True, "lstm", ())
    assert any("calibration error of lstm" in warning for warning in verdict.warnings)


def test_one_bad_horizon_is_enough_to_refuse_and_is_named():
    outcome, p = draw_outcomes(2000)
    predictions = make_predictions(outcome, {"lstm": p, "boosting": p}, horizons=(30, 60))
    predictions.by_method["lstm"][:, 1] = p * 0.6
    verdict = judge(predictions, best={30: "boosting", 60: "boosting"})
    assert [h.calibration.ok for h in verdict.horizons] == [True, False]
    assert all(reason.startswith("60 days") for reason in verdict.reasons)


def test_without_a_fallback_the_most_frequent_contender_scores_and_the_simpler_of_equals():
    outcome, p = draw_outcomes(500)
    methods = {"lstm": 1 - p, "logistic": p, "boosting": p}
    predictions = make_predictions(outcome, methods, horizons=(30, 60, 90))
    often = {30: "boosting", 60: "boosting", 90: "logistic"}
    assert judge(predictions, best=often).promoted == "boosting"
    pair = make_predictions(outcome, methods, horizons=(30, 60))
    assert judge(pair, best={30: "boosting", 60: "logistic"}).promoted == "logistic"


def test_of_three_horizons_each_is_judged_more_leniently_than_one_alone():
    """What would be significant in a single comparison is not in one of three."""
    outcome, p = draw_outcomes(400)
    noise = np.random.default_rng(6).normal(0, 1, 400)

    def passes(size: float, horizons: tuple[int, ...]) -> bool:
        worse = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + size * noise)))
        predictions = make_predictions(outcome, {"lstm": worse, "logistic": p}, horizons)
        return judge(predictions, best=dict.fromkeys(horizons, "logistic")).passed

    sizes = np.linspace(0.25, 0.5, 6)
    alone, together = ([size for size in sizes if not passes(size, h)] for h in ((30,), (30, 60, 90)))
    assert set(together) < set(alone)


def test_worse_by_less_than_the_margin_is_no_refusal_though_it_is_certain():
    outcome, p = draw_outcomes(2000)

    def judge_against_oracle(share: float):
        return judge_one(outcome, p, p + share * (outcome - p))

    verdict = judge_against_oracle(0.0007)
    assert 0 < verdict.horizons[0].comparison.log_loss_interval[0] < MARGIN
    assert verdict.passed
    assert not judge_against_oracle(0.003).passed


def test_without_outcomes_nothing_passes():
    _, p = draw_outcomes(100)
    verdict = judge_one(np.full(100, np.nan), p, p)
    assert (verdict.passed, verdict.horizons[0].n, verdict.horizons[0].comparison) == (False, 0, None)
    assert (verdict.promoted, verdict.reasons) == ("lstm", ())
    assert "no method can be judged" in verdict.unjudged[0]


@pytest.mark.parametrize("outcome", [0.0, 1.0], ids=["stayed", "churned"])
def test_too_few_outcomes_neither_pass_nor_refuse(outcome):
    """Whatever the candidate says; one more and it is judged."""

    def judge_counts(count: int, p: float):
        outcomes = np.full(500, 1 - outcome)
        outcomes[:count] = outcome
        contender_p = np.full(500, outcomes.mean())
        return judge_one(outcomes, np.full(500, p), contender_p)

    verdict = judge_counts(FEWEST_OUTCOMES - 1, 0.5)
    assert (verdict.passed, verdict.reasons, verdict.promoted) == (False, (), "lstm")
    assert "29" in verdict.unjudged[0]
    assert "471" in verdict.unjudged[0]
    rate = FEWEST_OUTCOMES / 500
    assert judge_counts(FEWEST_OUTCOMES, rate if outcome else 1 - rate).passed
    assert judge_counts(FEWEST_OUTCOMES, 0.5).reasons


def test_a_refusal_at_one_horizon_stands_where_another_cannot_be_judged():
    outcome, p = draw_outcomes(2000)
    predictions = make_predictions(outcome, {"lstm": add_noise(p, 1.0), "logistic": p}, horizons=(30, 60))
    predictions.outcome[40:, 1] = np.nan
    verdict = judge(predictions, best=dict.fromkeys((30, 60), "logistic"), fallback="logistic")
    assert (verdict.passed, verdict.promoted, len(verdict.unjudged)) == (False, "logistic", 1)
    assert all(reason.startswith("30 days") for reason in verdict.reasons)


def test_unexpected_churn_is_reported_with_numbers_although_the_binned_error_is_small():
    """46.6 % expected and 35.4 % actual churn of 271: a real case that an earlier gate missed."""
    rng = np.random.default_rng(0)
    p = np.clip(rng.normal(0.466, 0.02, 271), 0.01, 0.99)
    p += 0.466 - p.mean()
    outcome = np.zeros(271)
    outcome[rng.choice(271, 96, replace=False)] = 1.0
    verdict = judge_one(outcome, p, p)
    test = verdict.horizons[0].calibration
    assert test.z == pytest.approx(-3.7, abs=0.05)
    assert not test.level_ok
    [warning] = [text for text in verdict.warnings if "churn expected of lstm" in text]
    assert "46.6%, but 35.4% of 271 churned (z -3.7" in warning
    assert verdict.passed  # its contender is no better
    assert "misses at 30 days" in write_verdict(verdict)
    assert "expected 46.6 %, saw 35.4 % of 271 (z −3.7, more than chance explains)" in write_calibration_note(verdict)
    better = judge_one(outcome, p, np.full(271, 96 / 271))
    assert (better.passed, better.promoted) == (False, "logistic")
    assert "churn expected of lstm" in better.reasons[0]


def test_a_verdict_is_plain_data():
    outcome, p = draw_outcomes(200)
    described = json.loads(json.dumps(judge_one(outcome, p, p).to_dict(), allow_nan=False))
    assert described["promoted"] == "lstm"
    assert described["horizons"][0]["comparison"]["log_loss_interval"] == [0.0, 0.0]


def test_the_lowest_loss_wins_and_a_tie_goes_to_the_simpler():
    assert choose_simplest_best({"boosting": 0.50, "logistic": 0.51, "recency": 0.60}) == "boosting"
    assert choose_simplest_best({"boosting": 0.50, "logistic": 0.50005}) == "logistic"
    assert choose_simplest_best({"lstm": 0.5, "boosting": 0.5}) == "boosting"
    assert choose_simplest_best({"boosting": np.inf, "recency": np.inf, "constant": np.inf}) == "constant"
