"""Out-of-fold predictions of members, which are used to fit the calibration and for validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.evaluation.log_odds import sigmoid
from training.evaluation.metrics import log_losses
from training.models.calibration import LARGEST, SMALLEST, Calibration, PastPredictions, calibrate, make_terms
from training.models.members import Members
from training.selection.recipe import Recipe
from training.tensors.rows import to_day_number
from training.tensors.series import fold_of


@dataclass(frozen=True)
class Cells:
    """The newest closed steps of one horizon, each predicted by the member that was trained without the customer's
    fold; all (n,)."""

    probability: np.ndarray
    outcome: np.ndarray
    days_ago: np.ndarray
    is_active: np.ndarray  # active within the horizon before the step: counted by metrics

    def only(self, chosen: np.ndarray) -> Cells:
        """The chosen cells; chosen (n,) is bool or 0 and 1."""
        return Cells(*(values[chosen.astype(bool)] for values in vars(self).values()))


def collect_cells(recipe: Recipe, members: Members) -> list[Cells]:
    """Per horizon the steps of the last `calibration_days` days whose outcome is closed at as_of."""
    horizons = np.array(recipe.spec.churn.horizons_days)
    today = to_day_number(recipe.series.as_of)
    parts: list[list[tuple]] = [[(np.empty(0),) * 4] for _ in horizons]
    for tensors in recipe.sample:
        days_ago = today - tensors.step_ends
        is_new = days_ago[..., None] < np.array(recipe.closing_days) + recipe.settings.calibration_days
        is_cell = (tensors.label_mask > 0) & is_new
        folds = fold_of(tensors.customer_id, recipe.settings.folds)
        for fold in range(recipe.settings.folds):
            own = np.flatnonzero((folds == fold) & is_cell.any(axis=(1, 2)))
            if not len(own):
                continue
            chosen = np.any(is_cell[own], axis=2)
            p = members.predict_cells(fold, tensors.inputs[own], chosen)
            labels, days, quiet_days = (v[own][chosen] for v in (tensors.labels, days_ago, tensors.quiet_days))
            for h, horizon in enumerate(horizons):
                at = is_cell[own][chosen][:, h]
                parts[h].append((p[at, h], labels[at, h], days[at], quiet_days[at] < horizon))
    return [Cells(*(np.concatenate(values) for values in zip(*cell, strict=True))) for cell in parts]


def fit_calibration(cells: list[Cells], closing_days: tuple[int, ...]) -> Calibration:
    """closing_days: see Recipe."""
    return calibrate([PastPredictions(cell.probability, cell.outcome, cell.days_ago) for cell in cells], closing_days)


def validate(cells: list[Cells], calibration: Calibration, newest_days: int) -> np.ndarray:
    """(H,) log loss of the calibrated probabilities of active customers at the newest closed steps; NaN without any."""
    losses = []
    for h, cell in enumerate(cells):
        newest = cell.is_active.astype(bool) & (cell.days_ago < cell.days_ago.min(initial=np.inf) + newest_days)
        line = np.array([calibration.slope[h], calibration.intercept[h], calibration.drift[h]])
        p = np.clip(sigmoid(make_terms(cell.probability[newest], cell.days_ago[newest]) @ line), SMALLEST, LARGEST)
        losses.append(log_losses(cell.outcome[newest], p).mean() if len(p) else np.nan)
    return np.array(losses)
