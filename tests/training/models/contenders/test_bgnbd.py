"""BG/NBD: the published numbers, calibration on a simulated shop, and finite results for any history."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.optimize import check_grad

from spark_jobs.contract.errors import ChurnError
from tests.conftest import ROOT
from tests.training.series import PURCHASE, day, make_series, make_shop
from training.config import ModelSettings
from training.models.contenders.bgnbd import (
    BgNbd,
    Histories,
    fit_parameters,
    log_likelihood,
    predict_churn,
    read_histories,
)
from training.models.estimator import TrainingRows
from training.tensors.dataset import TensorSpec

PARAMETERS = np.array([0.243, 4.414, 0.793, 2.426])  # r, alpha, a, b: table 2 of Fader, Hardie and Lee (2005)
START, END = date(1997, 1, 1), date(1997, 9, 30)
WEEKS = np.array([30, 60, 90]) / 7
SPEC = TensorSpec.from_shop(make_shop(), ModelSettings())


@pytest.fixture(scope="module")
def cdnow() -> np.ndarray:
    """The model inputs of CDNOW's tenth at the end of the paper's 39 weeks, a row per customer."""
    lines = pq.read_table(ROOT / "infra" / "demo" / "cdnow" / "cdnow_tenth.parquet", columns=["customer_id", "date"])
    bought = {}
    for line in lines.to_pylist():
        if line["date"] <= END:
            bought.setdefault(str(line["customer_id"]), {})[(line["date"] - START).days] = PURCHASE
    as_of = day((END - START).days)
    tensors = SPEC.build(make_series(bought, as_of), as_of)
    return tensors.last(tensors.inputs)


def fit(rows: np.ndarray) -> BgNbd:
    model, nothing = BgNbd(), np.zeros((len(rows), 3))
    model.fit(TrainingRows(rows, nothing, nothing, SPEC.feature_names, (30, 60, 90), 7))
    return model


def draw_histories(count: int, weeks: float, ahead: float) -> tuple[Histories, np.ndarray]:
    """Customers simulated by the model, observed for `weeks`, and who of them did not buy in the time ahead."""
    rng = np.random.default_rng(0)
    r, alpha, a, b = PARAMETERS
    rate, leaves = rng.gamma(r, 1 / alpha, count), rng.beta(a, b, count)
    x, t_x, at, has_no_purchase = np.zeros(count), np.zeros(count), np.zeros(count), np.ones(count, bool)
    is_there = rng.random(count) < 1  # nobody leaves before the first repeat purchase
    while is_there.any():
        at = at + rng.exponential(1 / np.maximum(rate, 1e-12))
        bought = is_there & (at <= weeks)
        x, t_x = x + bought, np.where(bought, at, t_x)
        has_no_purchase &= ~(is_there & (at > weeks) & (at <= weeks + ahead))
        is_there = bought & (rng.random(count) >= leaves)
    return Histories(x, t_x, np.full(count, weeks)), has_no_purchase


def test_the_published_fit_is_reproduced_from_the_model_inputs(cdnow):
    assert len(cdnow) == 2357
    parameters, likelihood = fit_parameters(read_histories(cdnow, SPEC.feature_names, "purchase"))
    assert likelihood == pytest.approx(-9582.4, abs=0.05)
    np.testing.assert_allclose(parameters, PARAMETERS, atol=0.005)


def test_the_slope_is_that_of_the_likelihood(cdnow):
    histories = Histories(*(values[:300] for values in read_histories(cdnow, SPEC.feature_names, "purchase")))
    count = np.ones(300)
    miss = check_grad(
        lambda p: log_likelihood(p, histories, count)[0],
        lambda p: log_likelihood(p, histories, count)[1],
        PARAMETERS * 1.3,
    )
    assert miss < 1e-2 * abs(log_likelihood(PARAMETERS * 1.3, histories, count)[1]).max()


def test_predicted_churn_is_right_for_customers_simulated_by_the_model():
    histories, has_no_purchase = draw_histories(200_000, weeks=40, ahead=WEEKS[1])
    p = predict_churn(PARAMETERS, histories, WEEKS)[:, 1]
    for few, many in ((0, 0), (1, 1), (2, 4), (5, 1000)):
        group = (histories.x >= few) & (histories.x <= many)
        assert p[group].mean() == pytest.approx(has_no_purchase[group].mean(), abs=0.01), (few, many)
    risky = p > 0.9
    assert p[risky].mean() == pytest.approx(has_no_purchase[risky].mean(), abs=0.01)


def test_any_history_has_finite_probabilities_that_never_rise_with_the_horizon():
    x, gap, T = (v.ravel() for v in np.meshgrid([0, 1, 3, 5000], [0, 1e-6, 1, 2000], [0, 1e-3, 50, 2000]))  # noqa: N806
    histories = Histories(x, np.where(x > 0, np.maximum(T - gap, 0), 0), T)
    for parameters in (PARAMETERS, np.full(4, np.exp(-9)), np.full(4, np.exp(9)), np.exp([9, -9, 9, -9])):
        p = predict_churn(parameters, histories, WEEKS)
        assert np.isfinite(p).all()
        assert ((p >= 0) & (p <= 1)).all()
        assert (np.diff(p, axis=1) <= 0).all()
        assert np.isfinite(log_likelihood(parameters, histories, np.ones(len(x)))[1]).all()


def test_a_shop_where_no_customer_or_every_customer_returns_has_a_fit():
    known = np.linspace(1, 50, 200)
    nobody_back = Histories(np.zeros(200), np.zeros(200), known)
    every_week = Histories(np.floor(known), np.floor(known), known)
    for histories in (nobody_back, every_week):
        parameters, likelihood = fit_parameters(histories)
        assert np.isfinite([*parameters, likelihood]).all()
    assert predict_churn(fit_parameters(nobody_back)[0], nobody_back, WEEKS).min() > 0.95
    assert predict_churn(fit_parameters(every_week)[0], every_week, WEEKS).max() < 0.05


def test_the_model_is_restored_from_its_own_file_only(cdnow):
    model = fit(cdnow)
    files = model.to_files()
    assert np.array_equal(BgNbd.from_files(files).predict(cdnow), model.predict(cdnow))
    for change in (
        {"parameters": {"r": 1.0}},
        {"parameters": {"r": -1.0, "alpha": 1.0, "a": 1.0, "b": 1.0}},
        {"parameters": {"r": float("nan"), "alpha": 1.0, "a": 1.0, "b": 1.0}},
        {"horizons_days": []},
        {"horizons_days": [30, "60"]},
        {"feature_names": ["spend"]},
        {"activity": "visit"},
        {"activity": ["purchase"]},
    ):
        content = json.loads(files["bgnbd.json"]) | change
        with pytest.raises(ChurnError):
            BgNbd.from_files({"bgnbd.json": json.dumps(content).encode()})
    for content in (b"", b"\x80\x04K\x01.", b"[]", b"{}"):
        with pytest.raises(ChurnError, match="train again"):
            BgNbd.from_files({"bgnbd.json": content})
    with pytest.raises(ChurnError, match="train again"):
        BgNbd.from_files({})
