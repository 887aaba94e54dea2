"""How is a candidate made? One recipe for every kind, used by the final training, the gate and the backtest alike.

Customers are split into K folds by a hash of their id. A candidate is the mean of K models, each learned without one
fold. What each says about the fold it never saw, on the newest closed steps, fits the calibration and is the
validation by which contenders are chosen: never the outcomes that the gate is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from training.config import ModelSettings
from training.models.calibration import Calibration
from training.models.contenders.constant import CONSTANT
from training.models.members import Members
from training.models.registry import BLENDS, KINDS, LEARNING_KINDS
from training.selection.learning import Learned, Progress, blend, learn
from training.selection.recipe import Recipe
from training.selection.validation import fit_calibration, validate
from training.tensors.dataset import TensorSpec
from training.tensors.series import Series


@dataclass(frozen=True)
class Candidate:
    """A trained way to tell churn. For its reasons: typical (F,), the mean inputs, and evidence."""

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
    recipe = Recipe.prepare(series, TensorSpec.from_shop(shop, settings), settings)
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


def make_candidate(recipe: Recipe, kind: str, learned: dict[str, Learned]) -> Candidate:
    members, cells = blend(kind, learned) if kind in BLENDS else learned[kind]
    # one rate for all can only be right for those whom a metric counts: the others churn at another
    own = [horizon_cells.only(horizon_cells.is_active) for horizon_cells in cells] if kind == CONSTANT else cells
    calibration = fit_calibration(own, recipe.closing_days)
    return Candidate(
        kind=kind,
        spec=recipe.spec,
        members=members,
        calibration=calibration,
        typical=recipe.normalisation()[0],
        validation_log_loss=validate(cells, calibration, recipe.settings.validation_days),
    )
