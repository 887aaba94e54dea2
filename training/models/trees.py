"""Trains boosted trees, and loads them safely from a file that may be malicious.

xgboost checks only that a model file is well formed. Invalid node numbers in it would make xgboost read beyond its
memory. `read_trees` therefore validates all node numbers before xgboost loads the file.
"""

from __future__ import annotations

import json

import numpy as np
import xgboost

#: The share of rows for early stopping: the last rows, which belong to other customers than the training rows.
HELD_OUT_SHARE = 0.15
MOST_ROUNDS = 500
PATIENCE_ROUNDS = 20
#: Small trees on half of the rows and inputs each, because the rows of one customer are correlated: the best validation
#: log loss of nine settings on Online Retail. One thread, for a fixed order of sums, and because threads that wait for
#: each other slow down a busy machine.
SETTINGS = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 3,
    "eta": 0.05,
    "min_child_weight": 20,
    "subsample": 0.5,
    "colsample_bynode": 0.5,
    "max_bin": 64,
    "nthread": 1,
}
_ROOT_PARENT = 2**31 - 1


def grow_trees(rows: np.ndarray, labels: np.ndarray, seed: int) -> xgboost.Booster:
    """Trains trees for labels (N,) of 0 and 1 on rows (N, F) that are grouped by customer."""
    learning = len(rows) - int(HELD_OUT_SHARE * len(rows))
    held_out = slice(learning, None) if learning < len(rows) else slice(None)
    train, validation = (xgboost.DMatrix(rows[part], labels[part], nthread=1) for part in (slice(learning), held_out))
    stop = xgboost.callback.EarlyStopping(rounds=PATIENCE_ROUNDS, save_best=True)
    return xgboost.train(
        SETTINGS | {"seed": seed}, train, MOST_ROUNDS,
        evals=[(validation, "held_out")], callbacks=[stop], verbose_eval=False,
    )  # fmt: skip


def read_trees(content: bytes, width: int) -> xgboost.Booster:
    """The trees from xgboost's JSON, over `width` inputs. Raises KeyError, TypeError or ValueError if it is invalid."""
    learner = json.loads(content)["learner"]
    _check_learner(learner, width)
    for place, tree in enumerate(learner["gradient_booster"]["model"]["trees"]):
        if tree["id"] != place or not _is_sound(tree, width):
            raise ValueError(f"tree {place} is no tree over {width} inputs")
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(content))
        booster.inplace_predict(np.zeros((1, width), np.float32))  # xgboost checks some numbers only when it predicts
    except xgboost.core.XGBoostError as error:
        raise ValueError(str(error).splitlines()[0][:200]) from None
    return booster


def _check_learner(learner: dict, width: int) -> None:
    """Raises ValueError unless this is a plain list of trees for a single probability."""
    booster = learner["gradient_booster"]
    model, count = booster["model"], len(booster["model"]["trees"])
    found = {
        "name": booster["name"],
        "objective": learner["objective"]["name"],
        "trees": (model["gbtree_model_param"], model["tree_info"], model["iteration_indptr"]),
        "shape": {**learner["learner_model_param"], "base_score": ""},
    }
    expected = {
        "name": "gbtree",
        "objective": SETTINGS["objective"],
        "trees": (
            {"num_parallel_tree": "1", "num_trees": str(count)},
            [0] * count,
            list(range(count + 1)),
        ),
        "shape": {
            "base_score": "",
            "boost_from_average": "1",
            "num_class": "0",
            "num_feature": str(width),
            "num_target": "1",
        },
    }
    for key, value in expected.items():
        if found[key] != value:
            raise ValueError(f"{key} of the trees: expected {value}, found {found[key]}"[:300])


def _is_sound(tree: dict, width: int) -> bool:
    """Whether every node has existing later nodes as children, splits by an existing input and has a finite value."""
    count = len(tree["left_children"])
    param = {"num_deleted": "0", "num_feature": str(width), "num_nodes": str(count), "size_leaf_vector": "1"}
    names = ("left_children", "right_children", "parents", "split_indices", "split_type")
    left, right, parents, inputs, kinds = numbers = [np.array(tree[name], dtype=np.int64) for name in names]
    values = np.array(tree["split_conditions"], dtype=float)
    has_categories = any(tree[key] for key in tree if key.startswith("categories"))
    if tree["tree_param"] != param or has_categories or any(a.shape != (count,) for a in (*numbers, values)):
        return False
    splits = np.flatnonzero(left != -1)
    expected_parents = np.full(count, _ROOT_PARENT)
    children = np.concatenate([left[splits], right[splits]])
    if count == 0 or (children <= np.tile(splits, 2)).any() or (children >= count).any():
        return False
    expected_parents[children] = np.tile(splits, 2)
    return bool(
        (parents == expected_parents).all()
        and ((right == -1) == (left == -1)).all()
        and ((inputs >= 0) & (inputs < width)).all()
        and not kinds.any()
        and np.isfinite(values).all()
    )
