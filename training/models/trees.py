"""How do boosted trees learn, and how are they read back from a file that may be hostile?

xgboost checks that a model file is well formed, then follows the node numbers in it, out of its own memory if they say
so. `read_trees` therefore looks at every number that xgboost would follow before xgboost sees the file.
"""

from __future__ import annotations

import json

import numpy as np
import xgboost

#: The rows that decide when to stop: the last ones, so other customers than the trees learn from.
HELD_OUT_SHARE = 0.15
MOST_ROUNDS = 500
PATIENCE_ROUNDS = 20
#: Small trees, each from half of the rows and inputs, since the rows of one customer resemble each other: of nine
#: settings tried on Online Retail these had the best validation log loss. One thread, so that sums have one order and a
#: busy machine is not slowed by threads that wait for each other.
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
    """Trees for labels (N,) of 0 and 1 from rows (N, F) that stand customer by customer."""
    learning = len(rows) - int(HELD_OUT_SHARE * len(rows))
    held_out = slice(learning, None) if learning < len(rows) else slice(None)
    train, validation = (xgboost.DMatrix(rows[part], labels[part], nthread=1) for part in (slice(learning), held_out))
    stop = xgboost.callback.EarlyStopping(rounds=PATIENCE_ROUNDS, save_best=True)
    return xgboost.train(
        SETTINGS | {"seed": seed}, train, MOST_ROUNDS,
        evals=[(validation, "held_out")], callbacks=[stop], verbose_eval=False,
    )  # fmt: skip


def read_trees(content: bytes, width: int) -> xgboost.Booster:
    """The trees of xgboost's JSON over `width` inputs. Raises KeyError, TypeError or ValueError for anything else."""
    learner = json.loads(content)["learner"]
    _check_learner(learner, width)
    for place, tree in enumerate(learner["gradient_booster"]["model"]["trees"]):
        if tree["id"] != place or not _is_sound(tree, width):
            raise ValueError(f"tree {place} is no tree over {width} inputs")
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(content))
        booster.inplace_predict(np.zeros((1, width), np.float32))  # it checks some of its numbers only now
    except xgboost.core.XGBoostError as error:
        raise ValueError(str(error).splitlines()[0][:200]) from None
    return booster


def _check_learner(learner: dict, width: int) -> None:
    """Raises ValueError unless this is one list of trees that add up to one probability."""
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
    """Whether every node leads down to existing nodes, splits by an existing input and has a finite value."""
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
