"""The baselines that learn from labels: known numbers, which inputs they use, and malicious files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from spark_jobs.contract.errors import ChurnError
from tests.training.models.rows import draw_rows, fit
from training.models.contenders.logistic import Logistic
from training.models.registry import LEARNING_KINDS, row_contender

#: Those that learn from the rows alone; BG/NBD and the network have tests of their own.
KINDS = [kind for kind in LEARNING_KINDS if kind not in ("bgnbd", "lstm")]


@pytest.fixture(scope="module")
def fitted() -> dict:
    return {kind: fit(kind, *draw_rows()) for kind in KINDS}


# Predictions


def test_logistic_equals_scikit_learn_on_standardised_inputs():
    rows, labels, label_mask = draw_rows()
    label_mask[:1000, 1] = 0
    found = fit("logistic", rows, labels, label_mask).predict(rows)
    for horizon, learned in enumerate([slice(None), slice(1000, None)]):
        inputs = StandardScaler().fit(rows[learned].astype(float)).transform(rows.astype(float))
        expected = LogisticRegression(tol=1e-10, max_iter=1000).fit(inputs[learned], labels[learned, horizon])
        assert found[:, horizon] == pytest.approx(expected.predict_proba(inputs)[:, 1], abs=1e-6)


def test_a_logistic_file_predicts_by_its_coefficients():
    line = {"mean": [1.0, 0.0], "scale": [2.0, 1.0], "coefficients": [3.0, -1.0], "intercept": 0.5}
    files = {"logistic.json": json.dumps({"feature_names": ["a", "b"], "lines": [line]}).encode()}
    found = Logistic.from_files(files).predict(np.array([[2.0, 4.0], [1e6, 0.0], [-1e6, 0.0]], np.float32))
    assert found[:, 0] == pytest.approx([1 / (1 + np.exp(2.0)), 1.0, 0.0])  # 0.5 + 3 * (2 - 1) / 2 - 4 = -2


def test_recency_uses_only_the_days_since_the_last_purchase():
    rows, labels, label_mask = draw_rows()
    model = fit("recency", rows, labels, label_mask)
    others_changed = rows * np.array([0.0, 1.0, -5.0, 3.0], np.float32) + np.array([9.0, 0.0, 0.0, 1.0], np.float32)
    assert np.array_equal(model.predict(rows), model.predict(others_changed))
    order = np.argsort(rows[:, 1])
    assert (np.diff(model.predict(rows)[order, 0]) >= 0).all(), "the longer ago, the riskier: so the labels were drawn"
    with pytest.raises(ChurnError, match="days_since_purchase"):
        fit("recency", rows, labels, label_mask, names=["a", "b", "c", "d"])


@pytest.mark.parametrize("kind", KINDS[1:])
def test_probabilities_fit_the_rate_and_rank_better_than_chance(kind, fitted):
    rows, labels, _ = draw_rows(seed=1)
    p = fitted[kind].predict(rows)
    assert (p.shape, p.dtype) == ((3000, 2), np.float64)
    assert p.mean(axis=0) == pytest.approx(labels.mean(axis=0), abs=0.03)
    assert all(roc_auc_score(labels[:, h], p[:, h]) > 0.65 for h in (0, 1))


def test_the_constant_is_the_smoothed_rate_of_known_labels():
    rows, labels, label_mask = draw_rows(10)
    labels[:, 0], label_mask[:, 0] = np.arange(10) < 7, np.arange(10) < 8
    p = fit("constant", rows, labels, label_mask).predict(rows[:3])
    assert p[:, 0] == pytest.approx((7 + 1) / (8 + 2), abs=1e-6)


# Which labels are used


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_labels_change_nothing(kind):
    rows, labels, label_mask = draw_rows(800)
    label_mask[400:, 1] = 0
    changed = labels.copy()
    changed[400:, 1] = 1 - labels[400:, 1]
    one, other = (fit(kind, rows, target, label_mask).predict(rows) for target in (labels, changed))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, fit(kind, rows, changed, np.ones_like(label_mask)).predict(rows))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("label", "rate"), [(0.0, 1 / 102), (1.0, 101 / 102)])
def test_one_class_gives_the_smoothed_rate(kind, label, rate):
    rows, labels, label_mask = draw_rows(100)
    labels[:, 1] = label
    model = fit(kind, rows, labels, label_mask)
    assert model.predict(rows)[:, 1] == pytest.approx(rate)
    assert np.array_equal(row_contender(kind).from_files(model.to_files()).predict(rows), model.predict(rows))


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_rows_are_enough_to_learn(kind):
    rows, labels, label_mask = draw_rows(4)
    labels[:, 0] = [0, 1, 0, 1]
    p = fit(kind, rows, labels, label_mask).predict(rows)
    assert ((p > 0) & (p < 1)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_horizon_without_known_labels_is_an_error(kind):
    rows, labels, label_mask = draw_rows(50)
    label_mask[:, 1] = 0
    with pytest.raises(ChurnError, match="no outcome of the longest horizon"):
        fit(kind, rows, labels, label_mask)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_inputs_are_an_error(kind, fitted):
    rows, labels, label_mask = draw_rows(50)
    with pytest.raises(ChurnError, match="expected"):
        fitted[kind].predict(rows[:, :3])
    rows[3, 0] = np.nan
    with pytest.raises(ChurnError, match="finite"):
        fitted[kind].predict(rows)
    with pytest.raises(ChurnError, match="finite"):
        fit(kind, rows, labels, label_mask)


# Files


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_json_and_bring_back_the_same_model(kind, fitted):
    rows, *_ = draw_rows(seed=2)
    files = fitted[kind].to_files()
    assert all(name.endswith(".json") and json.loads(content) for name, content in files.items())
    again = row_contender(kind).from_files(files)
    assert np.array_equal(again.predict(rows), fitted[kind].predict(rows))
    assert again.to_files().keys() == files.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes(kind, fitted):
    assert fit(kind, *draw_rows()).to_files() == fitted[kind].to_files()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04K\x01.", b"[]", b"{}", b"null", b"[" * 100_000, b'{"feature_names": 3}']
)
def test_a_file_of_another_kind_is_a_clean_error(kind, content, fitted):
    for name in fitted[kind].to_files():
        with pytest.raises(ChurnError, match="train again"):
            row_contender(kind).from_files({**fitted[kind].to_files(), name: content})


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_cut_off_files_are_clean_errors(kind, fitted):
    files = fitted[kind].to_files()
    for name, content in files.items():
        others = {other: files[other] for other in files if other != name}
        for damaged in (others, {**others, name: content[: len(content) // 2]}):
            with pytest.raises(ChurnError, match="train again"):
                row_contender(kind).from_files(damaged)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("coefficients", [1.0, 2.0]),
        ("coefficients", [1.0, 2.0, 3.0, float("nan")]),
        ("coefficients", "1234"),
        ("scale", [1.0, 1.0, 1.0, 0.0]),
        ("mean", [[1.0, 2.0], [3.0, 4.0]]),
        ("mean", None),
        ("intercept", float("inf")),
        ("intercept", {}),
    ],
)
def test_a_line_of_unusable_numbers_is_a_clean_error(key, value, fitted):
    content = json.loads(fitted["logistic"].to_files()["logistic.json"])
    content["lines"][1][key] = value
    with pytest.raises(ChurnError, match=r"logistic\.json is damaged"):
        Logistic.from_files({"logistic.json": json.dumps(content).encode()})
