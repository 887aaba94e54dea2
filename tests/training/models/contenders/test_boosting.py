"""Trees learn what a linear model cannot, and malicious files never reach xgboost."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from spark_jobs.contract.errors import ChurnError
from tests.training.models.rows import draw_rows, fit
from training.models.contenders.boosting import Boosting


@pytest.fixture(scope="module")
def fitted() -> Boosting:
    return fit("boosting", *draw_rows())


def test_boosting_learns_what_a_linear_model_cannot():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(4000, 4)).astype(np.float32)
    labels = (rows[:, :1] * rows[:, 1:2] > 0).astype(np.float32)
    auroc = {}
    for kind in ("logistic", "boosting"):
        model = fit(kind, rows[:3000], labels[:3000], np.ones((3000, 1)))
        auroc[kind] = roc_auc_score(labels[3000:, 0], model.predict(rows[3000:])[:, 0])
    assert auroc["boosting"] > 0.95
    assert auroc["logistic"] < 0.6


def test_boosting_stops_before_it_overfits_noise():
    rng = np.random.default_rng(1)
    rows, labels = rng.normal(size=(2000, 4)).astype(np.float32), rng.integers(0, 2, (2000, 1)).astype(np.float32)
    assert fit("boosting", rows, labels, np.ones((2000, 1))).predict(rows).std() < 0.05


TREE = ("learner", "gradient_booster", "model", "trees", 0)
LEARNER = ("learner", "learner_model_param")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*TREE, "left_children", 0), 10**6),
        ((*TREE, "left_children", 0), -5),
        ((*TREE, "right_children", 0), 0),
        ((*TREE, "right_children", 0), 1),  # the left child once more
        ((*TREE, "right_children"), []),
        ((*TREE, "parents", 1), -1),
        ((*TREE, "split_indices", 0), 4),
        ((*TREE, "split_indices", 0), -1),
        ((*TREE, "split_conditions", 0), 1e999),
        ((*TREE, "split_type", 0), 1),
        ((*TREE, "categories"), [1]),
        ((*TREE, "categories_nodes"), [1] * 50),
        ((*TREE, "tree_param", "num_nodes"), "99999999"),
        ((*TREE, "tree_param", "size_leaf_vector"), "-3"),
        ((*TREE, "id"), 7),
        (("learner", "gradient_booster", "model", "trees"), []),
        (("learner", "gradient_booster", "model", "tree_info", 0), 9),
        (("learner", "gradient_booster", "model", "iteration_indptr", 1), 99),
        (("learner", "gradient_booster", "model", "gbtree_model_param", "num_trees"), "9999"),
        (("learner", "gradient_booster", "name"), "gblinear"),
        (("learner", "objective", "name"), "reg:squarederror"),
        ((*LEARNER, "num_class"), "9999999"),
        ((*LEARNER, "num_target"), "-3"),
        ((*LEARNER, "num_feature"), "3"),
        ((*LEARNER, "base_score"), "-3"),
        (("learner",), 3),
    ],
    ids=lambda value: ".".join(map(str, value[-3:])) if isinstance(value, tuple) else None,
)
def test_trees_with_invalid_children_never_reach_xgboost(path, value, fitted):
    """Most of these would crash the process, or read beyond its memory, if xgboost loaded them."""
    files = fitted.to_files()
    content = json.loads(files["trees_1.json"])
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ChurnError, match=r"boosting\.json is damaged"):
        Boosting.from_files({**files, "trees_1.json": json.dumps(content).encode()})


def test_a_child_counted_from_the_end_never_reaches_xgboost(fitted):
    """Its parent agrees with it, as numpy counts; xgboost would read what lies before the tree."""
    files = fitted.to_files()
    content = json.loads(files["trees_0.json"])
    tree = content["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["left_children"][0] -= len(tree["left_children"])
    with pytest.raises(ChurnError, match=r"boosting\.json is damaged"):
        Boosting.from_files({**files, "trees_0.json": json.dumps(content).encode()})


def test_trees_of_another_width_and_unlikely_rates_are_clean_errors(fitted):
    files = fitted.to_files()
    for change in ({"feature_names": ["a", "b"]}, {"rates": []}, {"rates": [1.5, None]}, {"rates": ["x", None]}):
        content = json.loads(files["boosting.json"]) | change
        with pytest.raises(ChurnError, match="train again"):
            Boosting.from_files({**files, "boosting.json": json.dumps(content).encode()})


def test_who_only_predicts_does_not_import_what_xgboost_does_not_need(fitted, tmp_path):
    for name, content in fitted.to_files().items():
        (tmp_path / name).write_bytes(content)
    code = f"""
import json, sys
from pathlib import Path
from training.models.contenders.boosting import Boosting
files = {{file.name: file.read_bytes() for file in Path({str(tmp_path)!r}).iterdir()}}
model = Boosting()
model.restore({fitted.describe()!r}, files)
assert "xgboost" in sys.modules and "sklearn" not in sys.modules
import sklearn.linear_model  # and it is not missing afterwards
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
