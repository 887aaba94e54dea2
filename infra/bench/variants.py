"""The variants of an ablation: the model with one change, and simpler models in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from sklearn.linear_model import LinearRegression

from spark_jobs.contract.shop.model import Shop
from training.config import ModelSettings
from training.models.contenders.logistic import Line, Logistic
from training.models.contenders.lstm import LSTM
from training.models.estimator import TrainingRows
from training.models.registry import CONTENDERS
from training.selection.fit import Candidate, make_candidate
from training.selection.learning import learn
from training.selection.recipe import Recipe
from training.tensors.dataset import TensorSpec
from training.tensors.series import Series

THE_MODEL = "the model"
ENSEMBLE_SEEDS = 3
PLACE = "in the LSTM's place"
#: Variant -> the settings that differ from the model's.
CHANGES: dict[str, dict[str, object]] = {
    f"GRU {PLACE}": {"cell": "gru"},
    f"plain RNN {PLACE}": {"cell": "rnn"},
    f"causal CNN {PLACE}": {"cell": "cnn"},
    f"dense layer {PLACE}": {"cell": "dense"},
    "a probability per horizon": {"head": "horizon"},
    "hazards of 10 days": {"interval_days": 10},
    "daily steps": {"step_days": 1, "history_steps": 728},
    "pretrained on next steps": {"pretrain_epochs": 4},
}


@dataclass(frozen=True)
class Variant:
    """One way to train a candidate; with several seeds, the probabilities are averaged."""

    name: str
    shop: Shop
    settings: ModelSettings
    kind: str = LSTM
    seed_count: int = 1

    def fit(self, series: Series) -> list[Candidate]:
        """One candidate for each seed, trained on the series."""
        spec, candidates = TensorSpec.from_shop(self.shop, self.settings), []
        for number in range(self.seed_count):
            settings = replace(self.settings, seed=self.settings.seed + 100 * number)
            recipe = Recipe.prepare(series, spec, settings)
            candidates.append(make_candidate(recipe, self.kind, {self.kind: learn(recipe, self.kind)}))
        return candidates


class StraightLine(Logistic):
    """Linear regression on the labels per horizon, clipped to probabilities."""

    kind: ClassVar[str] = "linear"
    learns_from_last_step: ClassVar[bool] = False

    def fit(self, data: TrainingRows) -> None:
        self.feature_names, inputs = list(data.feature_names), self.derive_inputs(data.rows)
        selections = enumerate(data.labelled_rows())
        self.lines = [self._fit_line(inputs[rows], data.labels[rows, h]) for h, rows in selections]

    @staticmethod
    def _fit_line(inputs: np.ndarray, labels: np.ndarray) -> Line:
        model, width = LinearRegression().fit(inputs, labels), inputs.shape[1]
        return Line(np.zeros(width), np.ones(width), model.coef_.astype(float), float(model.intercept_))

    def predict(self, rows: np.ndarray) -> np.ndarray:
        inputs = self.derive_inputs(rows)
        scores = [line.intercept + inputs @ line.coefficients for line in self.lines]
        return np.clip(np.stack(scores, axis=1), 0.001, 0.999)


def register_linear_regression() -> None:
    """Adds linear regression to the contenders, for the ablation only."""
    CONTENDERS.setdefault(StraightLine.kind, StraightLine)


def list_variants(shop: Shop, settings: ModelSettings) -> list[Variant]:
    """All variants, the model itself first."""
    values = settings.as_dict()
    changed = {name: values | change for name, change in CHANGES.items() if not change.items() <= values.items()}
    return [
        Variant(THE_MODEL, shop, settings),
        *(Variant(name, shop, ModelSettings.from_mapping(settings, name)) for name, settings in changed.items()),
        Variant(f"mean of {ENSEMBLE_SEEDS} seeds", shop, settings, seed_count=ENSEMBLE_SEEDS),
        Variant("linear regression", shop, settings, kind=StraightLine.kind),
        Variant("logistic regression", shop, settings, kind="logistic"),
        Variant("boosted trees", shop, settings, kind="boosting"),
        *(Variant(name, without, settings) for name, without in leave_out(shop)),
    ]


def leave_out(shop: Shop) -> Iterator[tuple[str, Shop]]:
    """The shop without each optional log, and with the required log only."""
    needed = shop.needed_log
    others = [log for log in shop.sources if log != needed]
    for out in [[log] for log in others if len(others) > 1] + [others]:
        if out:
            kept = {log: source for log, source in shop.sources.items() if log not in out}
            yield f"without {' and '.join(out)}", replace(shop, sources=kept)
