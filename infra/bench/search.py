"""Hyperparameter search with optuna. Trials are stored, so that an interrupted search can continue.

The objective is the mean validation log loss of a training at one past day, on held-out customers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna

from infra.bench.variants import Variant
from training.config import ModelSettings
from training.selection.learning import Progress
from training.tensors.series import Series

SEARCHED = "settings of the search"
#: As ModelSettings names them.
CHOICES: dict[str, list] = {
    "lstm_units": [8, 16, 32, 64],
    "batch_size": [32, 64, 128, 256],
    "interval_days": [5, 10, 15, 30],
    "epochs": [8, 12, 20],
}
RANGES: dict[str, tuple[float, float]] = {"learning_rate": (2e-3, 3e-2), "weight_decay": (1e-4, 1e-1)}


def find_best_settings(
    path: Path, model: Variant, series: Series, trial_count: int, is_over: Callable[[], bool], progress: Progress
) -> Variant:
    """The model with the best settings of `trial_count` trials, those of earlier runs included."""
    logging.getLogger("optuna").setLevel(logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{path}", study_name=f"{series.as_of}", load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=model.settings.seed + trial_count),
    )  # fmt: skip
    if not study.trials:
        study.enqueue_trial({name: model.settings.as_dict()[name] for name in (*CHOICES, *RANGES, "dropout")})

    def judge(trial: optuna.Trial) -> float:
        progress(trial.number / trial_count, f"search, trial {trial.number + 1} of {trial_count}")
        [candidate] = replace(model, settings=suggest(trial, model.settings)).fit(series)
        return float(candidate.validation_log_loss.mean())

    def stop(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if is_over():
            study.stop()

    study.optimize(judge, n_trials=max(0, trial_count - len(finished(study))), callbacks=[stop])
    return replace(model, name=SEARCHED, settings=suggest(optuna.trial.FixedTrial(study.best_params), model.settings))


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(states=[optuna.trial.TrialState.COMPLETE])


def suggest(trial: optuna.trial.BaseTrial, settings: ModelSettings) -> ModelSettings:
    chosen = {name: trial.suggest_categorical(name, values) for name, values in CHOICES.items()}
    chosen |= {name: trial.suggest_float(name, *span, log=True) for name, span in RANGES.items()}
    chosen["dropout"] = trial.suggest_float("dropout", 0.0, 0.5)
    return replace(settings, **chosen)
