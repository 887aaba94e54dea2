"""Summarises all tasks of a backtest. A task is one cut-off and one horizon with known outcomes.

mean_rank     mean over tasks of the rank by log loss, 1 is the lowest; for the promoted kind its own rank
differences   promoted minus method, means over the tasks
intervals     95 % bootstrap over customers, each resampled with all of their tasks
bias          mean probability of the promoted kind minus the actual churn rate
bound         log loss after a slope and intercept fitted on the same outcomes: a lower bound, not a method
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy.optimize import minimize
from scipy.stats import rankdata

from training.evaluation.calibration_tests import measure_calibration
from training.evaluation.log_odds import logit, sigmoid
from training.evaluation.metrics import DRAWS, SEED, Ranking, draw_weights, log_losses
from training.reporting.backtest_cutoff import PROMOTED, CutoffResult

Interval = tuple[float, float]


@dataclass(frozen=True)
class MethodSummary:
    """worse_tasks, better_tasks: the number of tasks where promoted is significantly worse or better than method."""

    method: str
    mean_rank: float
    log_loss_difference: float
    log_loss_interval: Interval
    auroc_difference: float
    auroc_interval: Interval
    worse_tasks: int
    better_tasks: int


@dataclass(frozen=True)
class Summary:
    tasks: int
    promoted: dict[str, str]
    log_loss: float
    bound: float
    bias: float
    absolute_bias: float
    auroc: float
    calibrated_tasks: int
    mean_rank: float
    methods: list[MethodSummary]


@dataclass(frozen=True)
class Task:
    """customer (n,): the index among all customers of the backtest. by_method: the probabilities (n,) of every kind."""

    result: CutoffResult
    horizon_days: int
    customer: np.ndarray
    outcome: np.ndarray
    by_method: dict[str, np.ndarray]

    @property
    def promoted(self) -> np.ndarray:
        return self.by_method[self.result.promoted]


def summarise(results: Sequence[CutoffResult]) -> Summary | None:
    """The summary; None if no task has both churned and stayed customers."""
    tasks, customers = list_tasks(results)
    if not tasks:
        return None
    kinds = list(tasks[0].by_method)
    losses = np.array([[log_losses(t.outcome, t.by_method[kind]).mean() for kind in kinds] for t in tasks])
    ranks = rankdata(losses, axis=1)
    chosen = [kinds.index(t.result.promoted) for t in tasks]
    biases = np.array([t.promoted.mean() - t.outcome.mean() for t in tasks])
    is_calibrated = [measure_calibration(t.outcome, t.promoted).ok for t in tasks]
    drawn = _draw_differences(tasks, kinds, customers)
    return Summary(
        tasks=len(tasks),
        promoted={result.predictions.cutoff.isoformat(): result.promoted for result in results},
        log_loss=float(np.mean([row[k] for row, k in zip(losses, chosen, strict=True)])),
        bound=float(np.mean([rescaled_loss(t.outcome, t.promoted) for t in tasks])),
        bias=float(biases.mean()),
        absolute_bias=float(np.abs(biases).mean()),
        auroc=float(np.mean([_auroc(t.outcome, t.promoted) for t in tasks])),
        calibrated_tasks=sum(is_calibrated),
        mean_rank=float(np.mean([row[k] for row, k in zip(ranks, chosen, strict=True)])),
        methods=[_summarise_method(tasks, kind, ranks[:, k].mean(), drawn[:, k]) for k, kind in enumerate(kinds)],
    )


def list_tasks(results: Sequence[CutoffResult]) -> tuple[list[Task], int]:
    """The tasks with both churned and stayed customers, and the number of customers of the backtest."""
    names = np.unique(np.concatenate([result.predictions.customer_id for result in results]))
    tasks = []
    for result in results:
        predictions = result.predictions
        place = np.searchsorted(names, predictions.customer_id)
        for index, horizon_days in enumerate(predictions.horizons_days):
            rows = predictions.is_measured(index)
            outcome = predictions.outcome[rows, index]
            if 0 < outcome.sum() < len(outcome):
                by_kind = {kind: p[rows, index] for kind, p in predictions.by_method.items() if kind != PROMOTED}
                tasks.append(Task(result, horizon_days, place[rows], outcome, by_kind))
    return tasks, len(names)


def rescaled_loss(outcome: np.ndarray, p: np.ndarray) -> float:
    """Mean log loss after the slope and intercept on the logits of p that fit these outcomes best."""
    terms = np.stack([logit(p), np.ones(len(p))], axis=1)

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        score = terms @ line
        return np.mean(np.logaddexp(0.0, score) - outcome * score), (sigmoid(score) - outcome) @ terms / len(p)

    return float(minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B").fun)


def _auroc(outcome: np.ndarray, p: np.ndarray) -> float:
    return float(Ranking(outcome, p).auroc(np.ones((1, len(p))))[0])


def _draw_differences(tasks: list[Task], kinds: list[str], customers: int) -> np.ndarray:
    """(2, kinds, 1 + draws): differences of log loss and AUROC, promoted minus kind, means over tasks. The first entry
    is the estimate, the others are bootstrap draws."""
    weights = chain([np.ones((1, customers))], draw_weights(customers, DRAWS, SEED))
    return np.concatenate([_differ(tasks, kinds, drawn) for drawn in weights], axis=2)


def _differ(tasks: list[Task], kinds: list[str], weights: np.ndarray) -> np.ndarray:
    """(2, kinds, draws): the differences, for weights (draws, customers) that say how often each customer was drawn."""
    totals = np.zeros((2, len(kinds), len(weights)))
    for task in tasks:
        own = weights[:, task.customer]
        share = own / own.sum(axis=1, keepdims=True)
        loss, auroc = log_losses(task.outcome, task.promoted), Ranking(task.outcome, task.promoted).auroc(own)
        for k, kind in enumerate(kinds):
            if kind != task.result.promoted:
                p = task.by_method[kind]
                totals[0, k] += share @ (loss - log_losses(task.outcome, p))
                totals[1, k] += auroc - Ranking(task.outcome, p).auroc(own)
    return totals / len(tasks)


def _summarise_method(tasks: list[Task], kind: str, mean_rank: float, drawn: np.ndarray) -> MethodSummary:
    """drawn: (2, 1 + draws) of one kind, see _draw_differences."""
    compared = [task.result.comparisons.get((task.horizon_days, kind)) for task in tasks]
    intervals = [comparison.log_loss_interval for comparison in compared if comparison]
    low, high = np.nanpercentile(drawn[:, 1:], [2.5, 97.5], axis=1)
    return MethodSummary(
        method=kind,
        mean_rank=float(mean_rank),
        log_loss_difference=float(drawn[0, 0]),
        log_loss_interval=(float(low[0]), float(high[0])),
        auroc_difference=float(drawn[1, 0]),
        auroc_interval=(float(low[1]), float(high[1])),
        worse_tasks=sum(interval[0] > 0 for interval in intervals),
        better_tasks=sum(interval[1] < 0 for interval in intervals),
    )
