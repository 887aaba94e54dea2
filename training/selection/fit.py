"""Trains candidates: the same procedure for every kind, in the final training, the gate and the backtest.

Customers are split into K folds by a hash of their id. A candidate is the mean of K models, each trained without one
fold. Its out-of-fold predictions on the newest closed steps are used to fit the calibration and as the validation by
which contenders are ranked. The outcomes by which the gate evaluates are not used for either.
"""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date
from threading import Event, Lock

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
    """A trained and calibrated model. For its explanations: typical (F,), the mean inputs, and evidence."""

    kind: str
    spec: TensorSpec
    members: Members
    calibration: Calibration
    typical: np.ndarray
    validation_log_loss: np.ndarray  # (H,)
    evidence: np.ndarray | None = (
        None  # (windows, 3 + 2F, groups), see serving/effect_estimates.py; set before it is stored
    )

    def predict(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """inputs (B, T, F), lengths (B,) -> (B, H) float64 calibrated probabilities that never rise with H."""
        return self.calibration.apply(self.members.predict_last(inputs, lengths))

    def kept_evidence(self) -> np.ndarray:
        """The evidence. Raises ChurnError if it has not been learned yet."""
        if self.evidence is None:
            raise ChurnError(f"the candidate {self.kind} has not learned its reasons: let training.train prepare it")
        return self.evidence

    def predict_with_states(
        self, inputs: np.ndarray, lengths: np.ndarray, spans: tuple[int, ...]
    ) -> tuple[np.ndarray, object]:
        """The result of predict, and the states that predict_tails continues from, see Members.predict_with_states."""
        p, memory = self.members.predict_with_states(inputs, lengths, spans)
        return self.calibration.apply(p), memory

    def predict_tails(
        self, memory: object, rows: np.ndarray, tails: np.ndarray, lengths: np.ndarray, spans: np.ndarray
    ) -> np.ndarray:
        """(P, H) the result of predict with changed last steps, see Members.predict_tails."""
        return self.calibration.apply(self.members.predict_tails(memory, rows, tails, lengths, spans))


def fit_candidates(
    series: pa.Table | pads.Dataset | Series,
    as_of: date,
    shop: Shop,
    settings: ModelSettings,
    kinds: tuple[str, ...] | None = None,
    progress: Progress | None = None,
) -> dict[str, Candidate]:
    """A candidate of each kind, trained on what is known at the end of `as_of`; later days are ignored."""
    series = (series if isinstance(series, Series) else Series(series, as_of)).truncated(as_of)
    recipe = Recipe.prepare(series, TensorSpec.from_shop(shop, settings), settings)
    chosen = kinds or KINDS
    if strange := [kind for kind in chosen if kind not in KINDS]:
        raise ChurnError(f"no candidate kind {strange[0]!r}: choose from {', '.join(KINDS)}")
    needed = [kind for kind in LEARNING_KINDS if any(kind in BLENDS.get(other, (other,)) for other in chosen)]
    learned = _learn_all(recipe, needed, progress or (lambda share, text: None))
    return {kind: make_candidate(recipe, kind, learned) for kind in chosen}


def _learn_all(recipe: Recipe, kinds: list[str], progress: Progress) -> dict[str, Learned]:
    """Two kinds at a time, the most complex first: the network takes about as long as all others together. If one
    fails, the others end with their next report."""
    shares, lock, has_failed = dict.fromkeys(kinds, 0.0), Lock(), Event()

    def learn_one(kind: str) -> Learned:
        def report(share: float, text: str) -> None:
            if has_failed.is_set():
                raise CancelledError
            with lock:
                shares[kind] = share
                progress(sum(shares.values()) / len(kinds), f"{kind}: {text}")

        return learn(recipe, kind, report)

    with ThreadPoolExecutor(2) as pool:
        jobs = {kind: pool.submit(learn_one, kind) for kind in reversed(kinds)}
        try:
            ended, _ = wait(jobs.values(), return_when=FIRST_EXCEPTION)
            for job in ended:
                job.result()
            return {kind: jobs[kind].result() for kind in kinds}
        except BaseException:
            has_failed.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def make_candidate(recipe: Recipe, kind: str, learned: dict[str, Learned]) -> Candidate:
    members, cells = blend(kind, learned) if kind in BLENDS else learned[kind]
    # The customers that metrics count churn at another rate than the rest, and a constant can fit only one of them.
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
