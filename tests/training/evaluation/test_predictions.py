"""Metrics and intervals: hand-computed numbers, equality with scikit-learn, and invariances."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sklearn import metrics as sk

from spark_jobs.contract.errors import ChurnError
from tests.training.draws import draw_outcomes
from tests.training.series import day, make_shop
from training.evaluation.metrics import CalibrationBins
from training.evaluation.predictions import Predictions, measure, measure_method

SHOP = make_shop()
CUTOFF = 100


def make_predictions(outcome: np.ndarray, by_method: dict[str, np.ndarray], horizons=(30,)) -> Predictions:
    """The same outcomes and probabilities at every horizon."""
    columns = (len(outcome), len(horizons))

    def spread(values: np.ndarray) -> np.ndarray:
        return np.repeat(values[:, None], len(horizons), axis=1)

    return Predictions(
        np.array([str(n) for n in range(len(outcome))]), day(CUTOFF), horizons, np.ones(columns, bool),
        spread(outcome), {method: spread(p) for method, p in by_method.items()},
    )  # fmt: skip


# Who is eligible, active and churned


# Metrics


def test_every_metric_of_four_customers_by_hand():
    row = measure_method(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.6, 0.4, 0.2]), 30, "lstm")
    assert (row.horizon_days, row.method, row.n, row.churn_rate) == (30, "lstm", 4, 0.5)
    assert row.auroc == 3 / 4  # only the pair (0.4, 0.6) is in the wrong order
    assert row.pr_auc == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert row.log_loss == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.8]).mean())
    assert row.brier == pytest.approx((0.01 + 0.36 + 0.36 + 0.04) / 4)
    assert row.ece == pytest.approx((0.1 + 0.6 + 0.6 + 0.2) / 4)  # four bins of one customer
    assert (row.accuracy, row.precision, row.recall, row.f1) == (0.5, 0.5, 0.5, 0.5)
    assert row.lift_10 == 2.0  # the first of four churned, half of all did


def test_precision_and_recall_are_not_confused():
    row = measure_method(np.array([1.0, 1.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.7, 0.1, 0.9, 0.49]), 30, "lstm")
    assert (row.accuracy, row.precision, row.recall) == (3 / 5, 2 / 3, 2 / 3)
    row = measure_method(np.array([1.0, 1.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.3, 0.1, 0.1, 0.4]), 30, "lstm")
    assert (row.accuracy, row.precision, row.recall, row.f1) == (3 / 5, 1.0, 1 / 3, 0.5)


@pytest.mark.parametrize("decimals", [17, 2, 1], ids=["no ties", "some ties", "many ties"])
def test_metrics_equal_those_of_scikit_learn(decimals):
    outcome, p = draw_outcomes(700)
    p = p.round(decimals)
    row, predicted = measure_method(outcome, p, 30, "lstm"), p >= 0.5
    assert row.auroc == pytest.approx(sk.roc_auc_score(outcome, p), abs=1e-12)
    assert row.pr_auc == pytest.approx(sk.average_precision_score(outcome, p), abs=1e-12)
    assert row.log_loss == pytest.approx(sk.log_loss(outcome, np.clip(p, 1e-7, 1 - 1e-7)))
    assert row.brier == pytest.approx(sk.brier_score_loss(outcome, p))
    assert row.accuracy == pytest.approx(sk.accuracy_score(outcome, predicted))
    assert row.precision == pytest.approx(sk.precision_score(outcome, predicted))
    assert row.recall == pytest.approx(sk.recall_score(outcome, predicted))
    assert row.f1 == pytest.approx(sk.f1_score(outcome, predicted))


def test_the_order_of_rows_changes_nothing_even_with_ties():
    outcome, p = draw_outcomes(500)
    p, order = p.round(1), np.random.default_rng(0).permutation(500)
    row, shuffled = measure_method(outcome, p, 30, "m"), measure_method(outcome[order], p[order], 30, "m")
    for name in ("auroc", "pr_auc", "log_loss", "brier", "ece", "lift_10"):
        assert getattr(row, name) == pytest.approx(getattr(shuffled, name), abs=1e-12), name
    assert CalibrationBins(p).error_bound() == CalibrationBins(p[order]).error_bound()


def test_undefined_metrics_are_none_and_never_zero():
    stayed = measure_method(np.zeros(3), np.array([0.1, 0.2, 0.3]), 30, "m")
    assert (stayed.auroc, stayed.pr_auc, stayed.lift_10, stayed.precision, stayed.recall, stayed.f1) == (None,) * 6
    assert (stayed.churn_rate, stayed.accuracy) == (0.0, 1.0)
    missed = measure_method(np.array([1.0, 0.0]), np.array([0.1, 0.2]), 30, "m")
    assert (missed.precision, missed.recall, missed.f1) == (None, 0.0, 0.0)
    empty = measure_method(np.empty(0), np.empty(0), 30, "m")
    assert empty.n == 0
    assert {v for k, v in vars(empty).items() if k not in ("n", "horizon_days", "method")} == {None}


def test_a_certain_miss_costs_a_bounded_log_loss():
    row = measure_method(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 30, "m")
    assert row.log_loss == pytest.approx(-np.log(1e-7))


def test_only_those_active_within_the_horizon_with_a_closed_outcome_are_measured():
    predictions = Predictions(
        np.array(["a", "b", "c"]), date(2024, 1, 1), (30, 60),
        active=np.array([[True, True], [False, True], [True, True]]),
        outcome=np.array([[1.0, np.nan], [1.0, np.nan], [0.0, np.nan]]),
        by_method={"m": np.array([[0.9, 0.8], [0.1, 0.1], [0.2, 0.1]])},
    )  # fmt: skip
    month, two_months = measure(predictions)
    assert (month.n, month.churn_rate, month.accuracy) == (2, 0.5, 1.0)
    assert (two_months.n, two_months.log_loss) == (0, None)


@pytest.mark.parametrize("p", [np.full((2, 1), np.nan), np.full((2, 1), 1.1), np.full((3, 1), 0.5)])
def test_predictions_that_are_no_probabilities_of_these_customers_are_refused(p):
    with pytest.raises(ChurnError, match="predictions at 2024-01-01: m"):
        Predictions(np.array(["a", "b"]), date(2024, 1, 1), (30,), np.ones((2, 1), bool), np.ones((2, 1)), {"m": p})


# Intervals and bounds
