"""How is a candidate made? One recipe for every kind, used by the final training, the gate and the backtest alike.

Customers are split into K folds by a hash of their id. A candidate is the mean of K models, each learned without one
fold. What each says about the fold it never saw, on the newest closed steps, fits the calibration and is the
validation by which contenders are chosen: never the outcomes that the gate is judged by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from training.config import ModelSettings
from training.evaluation.metrics import log_losses
from training.models.baselines import BASELINES
from training.models.blend import BlendMembers, fit_weights, mix
from training.models.calibration import LARGEST, SMALLEST, Calibration, Told, calibrate, make_terms, sigmoid
from training.models.estimator import Lesson
from training.models.members import (
    AVERAGE,
    BLENDS,
    CONSTANT,
    KINDS,
    LEARNING_KINDS,
    LSTM,
    BaselineMembers,
    Members,
    NetworkMembers,
)
from training.tensors.dataset import Keep, Series, Tensors, TensorSpec, build_batches, fold_of, to_day_number

if TYPE_CHECKING:
    from training.models.network.trainer import Trainer

#: Called with the share of the work that is done, 0 to 1, and what is going on.
Progress = Callable[[float, str], None]
HASH_PARTS = 2**32


@dataclass(frozen=True)
class Candidate:
    """A trained way to tell churn. For its reasons, see explain.py: typical (F,), the mean inputs, and evidence."""

    kind: str
    spec: TensorSpec
    members: Members
    calibration: Calibration
    typical: np.ndarray
    validation_log_loss: np.ndarray  # (H,)
    evidence: np.ndarray | None = None  # (windows, 3 + 2F, groups); one that is kept has it

    def predict(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """inputs (B, T, F), lengths (B,) -> (B, H) float64 calibrated probabilities that never rise with H."""
        return self.calibration.apply(self.members.predict_last(inputs, lengths))

    def kept_evidence(self) -> np.ndarray:
        """Raises ChurnError where none has been learned yet."""
        if self.evidence is None:
            raise ChurnError(f"the candidate {self.kind} has not learned its reasons: let training.train prepare it")
        return self.evidence

    def remember(self, inputs: np.ndarray, lengths: np.ndarray, spans: tuple[int, ...]) -> tuple[np.ndarray, object]:
        """What predict says, and what predict_tails needs to go on from so many steps before the end."""
        p, memory = self.members.remember(inputs, lengths, spans)
        return self.calibration.apply(p), memory

    def predict_tails(
        self, memory: object, rows: np.ndarray, tails: np.ndarray, lengths: np.ndarray, spans: np.ndarray
    ) -> np.ndarray:
        """(P, H) what predict would say with other last steps, see Members.predict_tails."""
        return self.calibration.apply(self.members.predict_tails(memory, rows, tails, lengths, spans))


def fit_candidates(
    series: pa.Table | pads.Dataset | Series,
    as_of: date,
    shop: Shop,
    settings: ModelSettings,
    kinds: tuple[str, ...] | None = None,
    progress: Progress | None = None,
) -> dict[str, Candidate]:
    """Every kind of candidate, trained on what is known at the end of `as_of`; later days are ignored."""
    series = (series if isinstance(series, Series) else Series(series, as_of)).truncated(as_of)
    recipe = Recipe.prepare(series, TensorSpec.of(shop, settings), settings)
    chosen = kinds or KINDS
    if strange := [kind for kind in chosen if kind not in KINDS]:
        raise ChurnError(f"no candidate kind {strange[0]!r}: choose from {', '.join(KINDS)}")
    needed = [kind for kind in LEARNING_KINDS if any(kind in BLENDS.get(other, (other,)) for other in chosen)]
    learned: dict[str, Learned] = {}
    for number, kind in enumerate(needed):

        def report(share: float, text: str, number: int = number, kind: str = kind) -> None:
            if progress:
                progress((number + share) / len(needed), f"{kind}: {text}")

        learned[kind] = learn(recipe, kind, report)
    return {kind: make_candidate(recipe, kind, learned) for kind in chosen}


class Learned(NamedTuple):
    """Members, and what they say about the newest closed steps of customers that they never saw, per horizon."""

    members: Members
    cells: list[Cells]


def learn(recipe: Recipe, kind: str, report: Progress = lambda share, text: None) -> Learned:
    members = _fit_network(recipe, report) if kind == LSTM else _fit_baseline(recipe, kind, report)
    report(0.95, "looking at unseen customers")
    return Learned(members, collect_cells(recipe, members))


def make_candidate(recipe: Recipe, kind: str, learned: dict[str, Learned]) -> Candidate:
    members, cells = blend(kind, learned) if kind in BLENDS else learned[kind]
    # one rate for all can only be right for those whom a metric counts: the others churn at another
    own = [of.only(of.is_active) for of in cells] if kind == CONSTANT else cells
    calibration = fit_calibration(own, recipe.closing_days)
    return Candidate(
        kind=kind,
        spec=recipe.spec,
        members=members,
        calibration=calibration,
        typical=recipe.normalisation()[0],
        validation_log_loss=validate(cells, calibration, recipe.settings.validation_days),
    )


def blend(kind: str, learned: dict[str, Learned]) -> Learned:
    """Of those of its parts that were learned. Their cells stand in the same order: each looked at the same steps."""
    parts = {part: learned[part] for part in BLENDS[kind] if part in learned}
    by_horizon = list(zip(*(part.cells for part in parts.values()), strict=True))
    told = [np.stack([of.probability for of in cells]) for cells in by_horizon]
    if kind == AVERAGE:
        weights = np.full((len(parts), len(told)), 1 / len(parts))
    else:
        weights = np.stack([fit_weights(p, cells[0].outcome) for p, cells in zip(told, by_horizon, strict=True)], 1)
    mixed = [
        replace(cells[0], probability=mix(p[..., None], row[:, None])[:, 0])
        for cells, p, row in zip(by_horizon, told, weights.T, strict=True)
    ]
    return Learned(BlendMembers({name: part.members for name, part in parts.items()}, weights), mixed)


@dataclass(frozen=True)
class Recipe:
    """What all kinds share: the series and how it becomes tensors, folds and normalisation."""

    series: Series
    spec: TensorSpec
    settings: ModelSettings
    steps: int
    moments: np.ndarray  # (K, 3, F): per fold count, sum and sum of squares of every input over its valid steps

    @classmethod
    def prepare(cls, series: Series, spec: TensorSpec, settings: ModelSettings) -> Recipe:
        """Raises ChurnError where no closed outcome teaches the longest horizon."""
        steps = spec.steps_for(series.first_day, series.as_of)
        moments = np.zeros((settings.folds, 3, len(spec.features)))
        taught = np.zeros(len(spec.churn.horizons_days))
        recipe = cls(series, spec, settings, steps, moments)
        for tensors in recipe.tensors():
            taught += tensors.taught.sum(axis=(0, 1))
            folds = fold_of(tensors.customer_id, settings.folds)
            for fold in range(settings.folds):
                inputs = tensors.inputs[folds == fold][_is_step(tensors)[folds == fold]].astype(np.float64)
                moments[fold] += np.stack([np.full(inputs.shape[1], len(inputs)), inputs.sum(0), (inputs**2).sum(0)])
        if not taught.all():
            days = spec.churn.horizons_days[int(np.argmin(taught))]
            raise ChurnError(f"nothing up to {series.as_of} teaches {days} days: train on a later day or shorten "
                             "churn.horizons_days")  # fmt: skip
        return recipe

    @property
    def batch_size(self) -> int:
        return max(self.settings.batch_size, -(-self.series.count // self.settings.epoch_steps))

    @property
    def closing_days(self) -> tuple[int, ...]:
        """By horizon the days after which a step's outcome is closed."""
        return tuple(days + self.series.delay_days for days in self.spec.churn.horizons_days)

    def tensors(self, keep: Keep | None = None) -> Iterator[Tensors]:
        """Every customer that `keep` says, once, on the grid that ends at as_of."""
        for chunk in self.series.chunks():
            kept = chunk.filter(pa.array(keep(chunk["customer_id"].combine_chunks()))) if keep else chunk
            if kept.num_rows:
                yield self.spec.build(kept, self.series.as_of, steps=self.steps, delay_days=self.series.delay_days)

    def normalisation(self, without_fold: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (F,) over the valid steps of all folds but one."""
        kept = [fold for fold in range(len(self.moments)) if fold != without_fold]
        count, total, squares = self.moments[kept].sum(axis=0)
        mean = total / np.maximum(count, 1)
        return mean, np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0.0))

    def is_looked_at(self, customer_id: pa.Array) -> np.ndarray:
        """(customers,) bool: whom baselines, calibration and held-out losses look at; a share of a huge shop's."""
        share = min(1.0, self.settings.baseline_rows / max(self.moments[:, 0, 0].sum(), 1))
        return fold_of(customer_id, HASH_PARTS) < share * HASH_PARTS


def _is_step(tensors: Tensors) -> np.ndarray:
    return np.arange(tensors.inputs.shape[1]) < tensors.lengths[:, None]


def _is_last(tensors: Tensors) -> np.ndarray:
    return np.arange(tensors.inputs.shape[1]) == tensors.lengths[:, None] - 1


def _fit_baseline(recipe: Recipe, kind: str, report: Progress) -> BaselineMembers:
    """The pooled steps that teach are the rows, or every customer's last step; customer by customer."""
    spec, folds, parts = recipe.spec, recipe.settings.folds, []
    for tensors in recipe.tensors(recipe.is_looked_at):
        chosen = _is_last(tensors) if BASELINES[kind].learns_from_last_step else tensors.taught.any(axis=2)
        folds_of_rows = np.repeat(fold_of(tensors.customer_id, folds), chosen.sum(axis=1))
        parts.append((folds_of_rows, tensors.inputs[chosen], tensors.labels[chosen], tensors.taught[chosen]))
    fold_of_row, *arrays = map(np.concatenate, zip(*parts, strict=True))
    estimators = []
    for fold in range(folds):
        report(0.9 * fold / folds, f"fold {fold + 1} of {folds}")
        learned = fold_of_row != fold
        seed = recipe.settings.seed + fold
        estimator = BASELINES[kind]()
        inputs, labels, taught = (a[learned] for a in arrays)
        estimator.fit(
            Lesson(inputs, labels, taught, spec.feature_names, spec.churn.horizons_days, seed, spec.churn.activity)
        )
        estimators.append(estimator)
    return BaselineMembers(estimators)


def _fit_network(recipe: Recipe, report: Progress) -> NetworkMembers:
    from training.models.network.network import Architecture
    from training.models.network.trainer import Trainer

    settings, spec = recipe.settings, recipe.spec
    report(0.0, "building the network")
    trainer = Trainer(Architecture.of(spec, settings), settings)
    weights = [_fit_fold(trainer, recipe, fold, report) for fold in range(settings.folds)]
    return NetworkMembers(trainer.network, np.stack(weights))


def _fit_fold(trainer: Trainer, recipe: Recipe, fold: int, report: Progress) -> np.ndarray:
    """The flat weights of the network that learned from all folds but this one."""
    settings = recipe.settings
    seed = settings.seed + 1000 * fold

    def heard(epoch: int, loss: float) -> None:
        share = (fold + (epoch + 1) / settings.epochs) / settings.folds
        report(0.9 * share, f"fold {fold + 1} of {settings.folds}, epoch {epoch + 1}, held-out loss {loss:.4f}")

    return trainer.fit(
        batches=lambda epoch: build_batches(
            recipe.series, recipe.spec, recipe.batch_size, seed + epoch,
            lambda ids: fold_of(ids, settings.folds) != fold, recipe.steps),
        held_out_loss=lambda network: _held_out_loss(recipe, network, fold),
        normalisation=recipe.normalisation(without_fold=fold),
        seed=seed,
        report=heard,
    )  # fmt: skip


def _held_out_loss(recipe: Recipe, network, fold: int) -> float:
    """Mean log loss over all cells of the held-out fold that teach."""
    total, count = 0.0, 0.0
    for tensors in recipe.tensors(lambda ids: recipe.is_looked_at(ids) & (fold_of(ids, recipe.settings.folds) == fold)):
        total += (log_losses(tensors.labels, network.predict_steps(tensors.inputs)) * tensors.taught).sum()
        count += tensors.taught.sum()
    return total / max(count, 1.0)


@dataclass(frozen=True)
class Cells:
    """One horizon's newest closed steps, each told by the model that never saw the customer; all (n,)."""

    probability: np.ndarray
    outcome: np.ndarray
    days_ago: np.ndarray
    is_active: np.ndarray  # active within the horizon: those over whom metrics are taken

    def only(self, chosen: np.ndarray) -> Cells:
        """Those of the cells that are chosen (n,), as bool or as 0 and 1."""
        return Cells(*(values[chosen.astype(bool)] for values in vars(self).values()))


def collect_cells(recipe: Recipe, members: Members) -> list[Cells]:
    """Per horizon the steps of the last `calibration_days` days whose outcome is closed at as_of."""
    horizons = np.array(recipe.spec.churn.horizons_days)
    today = to_day_number(recipe.series.as_of)
    parts: list[list[tuple]] = [[(np.empty(0),) * 4] for _ in horizons]
    for tensors in recipe.tensors(recipe.is_looked_at):
        days_ago = today - tensors.step_ends
        is_new = days_ago[..., None] < np.array(recipe.closing_days) + recipe.settings.calibration_days
        is_cell = (tensors.taught > 0) & is_new
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
    return [Cells(*(np.concatenate(values) for values in zip(*of, strict=True))) for of in parts]


def fit_calibration(cells: list[Cells], closing_days: tuple[int, ...]) -> Calibration:
    """closing_days: see Recipe."""
    return calibrate([Told(of.probability, of.outcome, of.days_ago) for of in cells], closing_days)


def validate(cells: list[Cells], calibration: Calibration, newest_days: int) -> np.ndarray:
    """(H,) log loss of the calibrated probabilities over those active within the horizon, at the newest closed steps.

    NaN where there are none.
    """
    losses = []
    for h, of in enumerate(cells):
        newest = of.is_active.astype(bool) & (of.days_ago < of.days_ago.min(initial=np.inf) + newest_days)
        line = np.array([calibration.slope[h], calibration.intercept[h], calibration.drift[h]])
        p = np.clip(sigmoid(make_terms(of.probability[newest], of.days_ago[newest]) @ line), SMALLEST, LARGEST)
        losses.append(log_losses(of.outcome[newest], p).mean() if len(p) else np.nan)
    return np.array(losses)
