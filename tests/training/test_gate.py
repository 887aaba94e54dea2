"""Which kind scores: the best validated that nothing beats; the outcomes that judge can refuse but never prefer."""

from __future__ import annotations

import numpy as np

from tests.training.test_evaluate import draw_outcomes, make_predictions
from training.fit import Candidate
from training.gate import choose_scorer, validated_losses


def spoil(p: np.ndarray, noise: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.log(p / (1 - p)) + np.random.default_rng(4).normal(0, noise, len(p)))))


def test_the_best_validated_scores_although_another_was_luckier():
    outcome, p = draw_outcomes(1000)
    predictions = make_predictions(outcome, {"logistic": p, "average": spoil(p, 0.05)})
    verdict = choose_scorer(predictions, {"logistic": 0.51, "average": 0.50})
    assert (verdict.promoted, verdict.passed, verdict.refused) == ("average", True, {})
    assert choose_scorer(predictions, {"logistic": 0.50005, "average": 0.5}).promoted == "logistic"  # a tie


def test_what_a_contender_beats_is_refused_and_the_next_best_validated_scores():
    outcome, p = draw_outcomes(2000)
    methods = {"lstm": spoil(p, 1.0), "boosting": p, "logistic": spoil(p, 0.3)}
    verdict = choose_scorer(make_predictions(outcome, methods), {"lstm": 0.4, "boosting": 0.5, "logistic": 0.6})
    assert (verdict.promoted, verdict.passed) == ("boosting", True)
    assert list(verdict.refused) == ["lstm"]
    assert "log loss of lstm is worse than that of" in verdict.refused["lstm"][0]


def test_where_each_is_beaten_somewhere_the_best_validated_scores_and_the_gate_says_so():
    outcome, p = draw_outcomes(2000)
    predictions = make_predictions(outcome, {"lstm": p, "logistic": p}, horizons=(30, 60))
    predictions.by_method["lstm"][:, 0] = spoil(p, 1.0)
    predictions.by_method["logistic"][:, 1] = spoil(p, 1.0)
    verdict = choose_scorer(predictions, {"lstm": 0.4, "logistic": 0.5})
    assert (verdict.promoted, verdict.passed) == ("lstm", False)
    assert verdict.reasons
    assert list(verdict.refused) == ["logistic"]


def test_a_kind_without_validation_comes_last():
    def candidate(*losses: float) -> Candidate:
        return Candidate("any", None, None, None, None, np.array(losses))

    losses = validated_losses({"recency": candidate(0.6, 0.8), "lstm": candidate(0.5, np.nan)})
    assert losses == {"recency": 0.7, "lstm": np.inf}
