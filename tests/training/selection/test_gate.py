"""Which kind scores? The one with the best validation that passes; the gate's outcomes only refuse kinds."""

from __future__ import annotations

import numpy as np

from tests.training.draws import add_noise, draw_outcomes
from tests.training.evaluation.test_predictions import make_predictions
from training.selection.fit import Candidate
from training.selection.gate import choose_scorer, validated_losses


def validated(**losses: float | tuple[float, ...]) -> dict[str, np.ndarray]:
    return {kind: np.atleast_1d(np.array(loss)) for kind, loss in losses.items()}


def test_the_best_validated_model_scores_although_another_has_a_better_test_result():
    outcome, p = draw_outcomes(1000)
    predictions = make_predictions(outcome, {"logistic": p, "average": add_noise(p, 0.05)})
    verdict = choose_scorer(predictions, validated(logistic=0.51, average=0.50))
    assert (verdict.promoted, verdict.passed, verdict.refused) == ("average", True, {})
    assert choose_scorer(predictions, validated(logistic=0.50005, average=0.5)).promoted == "logistic"  # a tie


def test_a_beaten_model_is_refused_and_the_next_best_validated_scores():
    outcome, p = draw_outcomes(2000)
    methods = {"lstm": add_noise(p, 1.0), "boosting": p, "logistic": add_noise(p, 0.3)}
    verdict = choose_scorer(make_predictions(outcome, methods), validated(lstm=0.4, boosting=0.5, logistic=0.6))
    assert (verdict.promoted, verdict.passed) == ("boosting", True)
    assert list(verdict.refused) == ["lstm"]
    assert "log loss of lstm is worse than that of" in verdict.refused["lstm"][0]


def test_if_every_model_is_beaten_the_best_validated_scores_and_the_gate_reports_it():
    outcome, p = draw_outcomes(2000)
    predictions = make_predictions(outcome, {"lstm": p, "logistic": p}, horizons=(30, 60))
    predictions.by_method["lstm"][:, 0] = add_noise(p, 1.0)
    predictions.by_method["logistic"][:, 1] = add_noise(p, 1.0)
    verdict = choose_scorer(predictions, validated(lstm=(0.4, 0.4), logistic=(0.5, 0.5)))
    assert (verdict.promoted, verdict.passed) == ("lstm", False)
    assert verdict.reasons
    assert verdict.refused == {}


def test_only_the_next_best_validated_model_can_refuse_a_kind():
    """One of six others always leads by chance on the gate's outcomes, so these must not choose the contender."""
    outcome, p = draw_outcomes(2000)
    methods = {"blend": add_noise(p, 0.5), "average": add_noise(p, 0.5), "recency": p}
    losses = validated(blend=0.50, average=0.51, recency=0.60)
    assert choose_scorer(make_predictions(outcome, methods), losses).promoted == "blend"


def test_a_calibrated_contender_that_is_clearly_worse_does_not_refuse_for_calibration():
    outcome, p = draw_outcomes(2000)
    tilted = 1 / (1 + np.exp(-1.6 * np.log(p / (1 - p))))
    flat = np.full(2000, outcome.mean())
    verdict = choose_scorer(
        make_predictions(outcome, {"lstm": tilted, "recency": flat}), validated(lstm=0.4, recency=0.6)
    )
    (horizon,) = verdict.horizons
    assert (horizon.calibration.ok, horizon.contender_calibration.ok) == (False, True)
    assert (verdict.promoted, verdict.passed) == ("lstm", True)
    assert any("calibration slope of lstm" in warning and "too extreme" in warning for warning in verdict.warnings)


def test_with_too_few_churned_the_best_validated_is_offered_and_nothing_passes():
    outcome = np.zeros(300)
    outcome[:12] = 1.0
    methods = {"lstm": np.full(300, 0.3), "logistic": np.full(300, 0.04)}
    verdict = choose_scorer(make_predictions(outcome, methods), validated(lstm=0.4, logistic=0.5))
    assert (verdict.promoted, verdict.passed, verdict.reasons, verdict.refused) == ("lstm", False, (), {})
    assert "12 customers churned and 288 stayed" in verdict.unjudged[0]


def test_a_kind_without_validation_comes_last():
    def candidate(*losses: float) -> Candidate:
        return Candidate("any", None, None, None, None, np.array(losses))

    losses = validated_losses({"recency": candidate(0.6, 0.8), "lstm": candidate(0.5, np.nan)})
    assert {kind: loss.tolist() for kind, loss in losses.items()} == {"recency": [0.6, 0.8], "lstm": [0.5, np.inf]}
