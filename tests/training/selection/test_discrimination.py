"""Is it reported, correctly, if no method can discriminate between customers?"""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.draws import draw_outcomes
from tests.training.evaluation.test_predictions import make_predictions
from training.evaluation.metrics import Ranking
from training.selection.discrimination import expect_auroc, list_blind_horizons


def test_the_auroc_to_expect_is_the_mean_over_outcomes_drawn_from_the_probabilities():
    rng = np.random.default_rng(0)
    p = np.round(1 / (1 + np.exp(-rng.normal(size=800))), 2)  # with ties
    drawn = [Ranking((rng.random(800) < p).astype(float), p).auroc(np.ones((1, 800)))[0] for _ in range(100)]
    assert expect_auroc(p) == pytest.approx(np.mean(drawn), abs=0.005)


@pytest.mark.parametrize("p", [0.97, 0.0, 1.0])
def test_equal_probabilities_rank_nobody(p):
    assert expect_auroc(np.full(50, p)) == 0.5


def test_a_shop_without_returning_customers_gets_a_warning_with_the_reason():
    """99.7 % churn, and the network's predictions are noise."""
    rng = np.random.default_rng(2)
    outcome = (rng.random(20_000) < 0.997).astype(float)
    methods = {"constant": np.full(20_000, 0.997), "lstm": np.clip(rng.normal(0.997, 0.001, 20_000), 0.9, 0.9999)}
    [sentence] = list_blind_horizons(make_predictions(outcome, methods), "lstm")
    assert sentence.startswith("30 days: nothing tells customers apart: 99.7% of 20,000 churn, AUROC 0.")
    assert "is no better than chance, the constant rate is as good (log loss" in sentence
    [of_constant] = list_blind_horizons(make_predictions(outcome, methods), "constant")
    assert "AUROC 0.50" in of_constant


def test_a_shop_whose_customers_differ_gets_no_warning_even_if_few_churn():
    outcome, p = draw_outcomes(2000)
    distinguished = make_predictions(outcome, {"constant": np.full(2000, outcome.mean()), "lstm": p})
    assert list(list_blind_horizons(distinguished, "lstm")) == []
    rng = np.random.default_rng(2)
    p = np.where(rng.random(5000) < 0.04, 0.6, 0.01)
    outcome = (rng.random(5000) < p).astype(float)
    rare = make_predictions(outcome, {"constant": np.full(5000, p.mean()), "lstm": p})
    assert list(list_blind_horizons(rare, "lstm")) == []


def test_a_single_kind_of_outcome_gives_no_auroc():
    p = np.linspace(0.1, 0.9, 50)
    assert list(list_blind_horizons(make_predictions(np.zeros(50), {"constant": p, "lstm": p}), "lstm")) == []
