"""Trains the members of each kind: one per fold, on the customers of the other folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from training.evaluation.metrics import log_losses
from training.models.blend import BlendMembers, mix
from training.models.contenders.lstm import LSTM
from training.models.estimator import TrainingRows
from training.models.members import Members, NetworkMembers, RowMembers
from training.models.registry import BLENDS, blend_contender, row_contender
from training.selection.recipe import Recipe
from training.selection.validation import Cells, collect_cells
from training.tensors.dataset import Tensors
from training.tensors.series import fold_of

if TYPE_CHECKING:
    from training.models.network.trainer import Trainer

#: A callback for the share of work done, 0 to 1, and a description of the current work.
Progress = Callable[[float, str], None]


class Learned(NamedTuple):
    """Members, and per horizon their out-of-fold predictions on the newest closed steps."""

    members: Members
    cells: list[Cells]


def learn(recipe: Recipe, kind: str, report: Progress = lambda share, text: None) -> Learned:
    members = _fit_network(recipe, report) if kind == LSTM else _fit_baseline(recipe, kind, report)
    report(0.95, "looking at unseen customers")
    cells = collect_cells(recipe, members)
    report(1.0, "done")
    return Learned(members, cells)


def blend(kind: str, learned: dict[str, Learned]) -> Learned:
    """A blend of those of its parts that were trained. Their cells have the same order, that of the same steps."""
    parts = {part: learned[part] for part in BLENDS[kind] if part in learned}
    by_horizon = list(zip(*(part.cells for part in parts.values()), strict=True))
    p_by_horizon = [np.stack([cell.probability for cell in cells]) for cells in by_horizon]
    weigh = blend_contender(kind).weigh
    weights = np.stack([weigh(p, cells[0].outcome) for p, cells in zip(p_by_horizon, by_horizon, strict=True)], 1)
    mixed = [
        replace(cells[0], probability=mix(p[..., None], row[:, None])[:, 0])
        for cells, p, row in zip(by_horizon, p_by_horizon, weights.T, strict=True)
    ]
    return Learned(BlendMembers({name: part.members for name, part in parts.items()}, weights), mixed)


def _is_last(tensors: Tensors) -> np.ndarray:
    return np.arange(tensors.inputs.shape[1]) == tensors.lengths[:, None] - 1


def _fit_baseline(recipe: Recipe, kind: str, report: Progress) -> RowMembers:
    """Trains on rows grouped by customer: all steps with a label or, for some kinds, every customer's last step."""
    spec, folds, parts = recipe.spec, recipe.settings.folds, []
    for tensors in recipe.sample:
        chosen = _is_last(tensors) if row_contender(kind).learns_from_last_step else tensors.label_mask.any(axis=2)
        folds_of_rows = np.repeat(fold_of(tensors.customer_id, folds), chosen.sum(axis=1))
        parts.append((folds_of_rows, tensors.inputs[chosen], tensors.labels[chosen], tensors.label_mask[chosen]))
    fold_of_row, *arrays = map(np.concatenate, zip(*parts, strict=True))
    estimators = []
    for fold in range(folds):
        report(0.9 * fold / folds, f"fold {fold + 1} of {folds}")
        learned = fold_of_row != fold
        seed = recipe.settings.seed + fold
        estimator = row_contender(kind)()
        inputs, labels, label_mask = (a[learned] for a in arrays)
        estimator.fit(
            TrainingRows(
                inputs, labels, label_mask, spec.feature_names, spec.churn.horizons_days, seed, spec.churn.activity
            )
        )
        estimators.append(estimator)
    return RowMembers(estimators)


def _fit_network(recipe: Recipe, report: Progress) -> NetworkMembers:
    from training.models.network.network import Architecture
    from training.models.network.trainer import Trainer

    settings, spec = recipe.settings, recipe.spec
    report(0.0, "building the network")
    trainer = Trainer(Architecture.from_spec(spec, settings), settings)
    weights = [_fit_fold(trainer, recipe, fold, report) for fold in range(settings.folds)]
    return NetworkMembers(trainer.network, np.stack(weights))


def _fit_fold(trainer: Trainer, recipe: Recipe, fold: int, report: Progress) -> np.ndarray:
    """The flat weights of the network that was trained on all folds but this one."""
    settings = recipe.settings
    seed = settings.seed + 1000 * fold

    def heard(epoch: int, loss: float) -> None:
        share = (fold + (epoch + 1) / settings.epochs) / settings.folds
        report(0.9 * share, f"fold {fold + 1} of {settings.folds}, epoch {epoch + 1}, held-out loss {loss:.4f}")

    return trainer.fit(
        parts=lambda epoch: recipe.feed.shuffled(seed + epoch, lambda ids: fold_of(ids, settings.folds) != fold),
        batch_size=recipe.batch_size,
        held_out_loss=partial(_find_loss, _select_fold(recipe, fold)),
        normalisation=recipe.normalisation(without_fold=fold),
        seed=seed,
        report=heard,
    )  # fmt: skip


def _select_fold(recipe: Recipe, fold: int) -> list[Tensors]:
    """The sampled customers of this fold."""
    folds = (fold_of(tensors.customer_id, recipe.settings.folds) for tensors in recipe.sample)
    places = [(tensors, np.flatnonzero(own == fold)) for tensors, own in zip(recipe.sample, folds, strict=True)]
    return [tensors.take(rows) for tensors, rows in places if len(rows)]


def _find_loss(held_out: list[Tensors], network) -> float:
    """Mean log loss over all labelled steps and horizons."""
    total, count = 0.0, 0
    for tensors in held_out:
        is_labelled = tensors.label_mask > 0
        p = network.predict_steps(tensors.inputs)[is_labelled]
        total, count = total + log_losses(tensors.labels[is_labelled], p).sum(), count + len(p)
    return total / max(count, 1)
