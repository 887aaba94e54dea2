"""Blends of several kinds: weighted means of logits, fold by fold, with the same interface as each part.

    logit P(churn) = sum over parts of weight * logit P(churn | part), per horizon

An average has equal weights. The weights of a fitted blend maximise the likelihood on customers that no part was
trained on; they are not negative and add up to one. All parts use the same folds, so a blend's predictions for a fold
are also out of sample. Logits are averaged, because a mean of probabilities is underconfident even if its parts are
calibrated (R. Ranjan, T. Gneiting, "Combining probability forecasts", 2010).
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping

import numpy as np

from spark_jobs.contract.errors import ChurnError
from training.evaluation.log_odds import logit, read_scores, sigmoid
from training.models.contender import Contender
from training.models.members import Members

BLEND_FILE = "blend.json"
#: Strength of the prior for equal weights, in number of outcomes: a few outcomes should not move the weights.
PRIOR_WEIGHT = 50.0


class BlendContender(Contender):
    """A contender that is a weighted mean of others, its `parts`."""

    @staticmethod
    @abstractmethod
    def weigh(probabilities: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
        """(P,) the weights of the parts at one horizon, from out-of-sample probabilities (P, n) and outcomes (n,)."""


class BlendMembers:
    """The members of a blend. parts: kind -> members, all with the same folds. weights: (P, H), a row per part."""

    def __init__(self, parts: Mapping[str, Members], weights: np.ndarray):
        self.parts, self.weights = dict(parts), weights
        self.count = next(iter(self.parts.values())).count

    def predict_cells(self, member: int, inputs: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        return mix([part.predict_cells(member, inputs, chosen) for part in self.parts.values()], self.weights)

    def predict_last(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return mix([part.predict_last(inputs, lengths) for part in self.parts.values()], self.weights)

    def predict_with_states(
        self, inputs: np.ndarray, lengths: np.ndarray, spans: tuple[int, ...]
    ) -> tuple[np.ndarray, list]:
        results = [part.predict_with_states(inputs, lengths, spans) for part in self.parts.values()]
        return mix([p for p, _ in results], self.weights), [memory for _, memory in results]

    def predict_tails(
        self, memory: list, rows: np.ndarray, tails: np.ndarray, lengths: np.ndarray, spans: np.ndarray
    ) -> np.ndarray:
        parts = zip(self.parts.values(), memory, strict=True)
        return mix([part.predict_tails(own, rows, tails, lengths, spans) for part, own in parts], self.weights)

    def for_serving(self) -> BlendMembers:
        return BlendMembers({kind: part.for_serving() for kind, part in self.parts.items()}, self.weights)

    def to_files(self) -> dict[str, bytes]:
        weights = {kind: row.tolist() for kind, row in zip(self.parts, self.weights, strict=True)}
        files = {BLEND_FILE: json.dumps({"weights": weights}, indent=1).encode()}
        return files | {
            f"{kind}_{name}": content for kind, part in self.parts.items() for name, content in part.to_files().items()
        }


def read_weights(files: Mapping[str, bytes], known_kinds: tuple[str, ...], horizons: int) -> dict[str, np.ndarray]:
    """Part -> its weights (H,). Raises ChurnError unless they are weights of known kinds that add up to one."""
    try:
        weights = {kind: np.array(row, float) for kind, row in json.loads(files[BLEND_FILE])["weights"].items()}
        rows = np.stack(list(weights.values()))
        is_sound = rows.shape[1:] == (horizons,) and (rows >= 0).all() and np.allclose(rows.sum(axis=0), 1)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ChurnError(f"the model's file {BLEND_FILE} is damaged ({error}): train again") from None
    if not is_sound or not set(weights) <= set(known_kinds):
        raise ChurnError(f"the model's file {BLEND_FILE} holds no weights of {', '.join(known_kinds)}: train again")
    return weights


def files_of(kind: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of one part, with its prefix removed from the names."""
    return {name.removeprefix(f"{kind}_"): content for name, content in files.items() if name.startswith(f"{kind}_")}


def mix(probabilities: Iterable[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """(n, H) the blended probabilities, from each part's (n, H) and weights (P, H)."""
    return sigmoid(sum(logit(p) * row for p, row in zip(probabilities, weights, strict=True)))


def fit_weights(probabilities: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """(P,) the maximum likelihood weights of one horizon, for out-of-sample probabilities (P, n) and outcomes (n,)."""
    logits = logit(probabilities)
    equal = np.full(len(logits), 1 / len(logits))
    count = len(outcomes) + PRIOR_WEIGHT

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        (p, losses), pull = read_scores(weights @ logits, outcomes), PRIOR_WEIGHT * (weights - equal)
        value = losses.sum() + pull @ (weights - equal) / 2
        return value / count, (logits @ (p - outcomes) + pull) / count

    is_share = {"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": lambda weights: np.ones(len(weights))}
    bounds = [(0.0, 1.0)] * len(equal)
    from scipy.optimize import minimize

    found = minimize(loss, equal, jac=True, method="SLSQP", bounds=bounds, constraints=is_share, options={"ftol": 1e-9})
    weights = np.clip(found.x, 0, 1)
    return weights / weights.sum()
