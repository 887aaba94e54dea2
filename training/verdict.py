"""May the candidate score, or must it step aside for a contender?

Intervals and bounds are 95 % over all horizons together (Bonferroni), from seeded draws (metrics.py): the same input
gives the same verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from training.evaluate import Predictions
from training.members import KINDS
from training.metrics import LEVEL, CalibrationBins, Comparison, compare, compare_calibration

#: Validation log losses closer than this are a tie.
TIE = 1e-4
#: What a refusal has to be worth at least: the margin of a non-inferiority test. A tenth of what a miss of the coming
#: churn rate usually costs; blends and their parts differ so little that significance alone would refuse them for less.
MARGIN = 1e-3


@dataclass(frozen=True)
class HorizonVerdict:
    """The gate at one horizon: both parts, and the same calibration test of the contender for fairness.

    ece_interval is that of the candidate's calibration error less the contender's, told where the contender's alone
    is what chance allows. comparison is None, and so are all measures, where no outcome counts for the horizon.
    """

    horizon_days: int
    n: int
    contender: str
    comparison: Comparison | None = None
    log_loss_ok: bool = False
    ece: float | None = None
    ece_bound: float | None = None
    ece_ok: bool = False
    contender_ece: float | None = None
    contender_ece_bound: float | None = None
    contender_ece_ok: bool = False
    ece_interval: tuple[float, float] | None = None

    @property
    def refuses_calibration(self) -> bool:
        """Whether the candidate must go for its calibration: for a contender that is surely better calibrated, and not
        worse in log loss, which pays for bad calibration as well."""
        if self.ece_interval is None:
            return False
        return self.ece_interval[0] > 0 and self.comparison.log_loss_difference >= 0


@dataclass(frozen=True)
class Verdict:
    """What the gate says. `promoted` is the kind that scores: the candidate where it passed, else the fallback.

    refused  kinds that validation preferred to the candidate -> why they may not score
    """

    candidate: str
    passed: bool
    promoted: str
    horizons: tuple[HorizonVerdict, ...]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    refused: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def to_dict(self) -> dict:
        return asdict(self)


def choose_simplest_best(losses: Mapping[str, float]) -> str:
    """The method with the lowest loss; of those within TIE of it, the simplest."""
    lowest = min(losses.values())
    tied = [method for method, loss in losses.items() if loss <= lowest + TIE]
    return min(tied, key=lambda method: KINDS.index(method) if method in KINDS else len(KINDS))


def judge(
    predictions: Predictions, candidate: str = "lstm", *, best: Mapping[int, str], fallback: str | None = None
) -> Verdict:
    """The gate. It refuses a candidate that at any horizon

    - has a paired interval of its log-loss difference to the contender that lies wholly above MARGIN, or
    - has a calibration error above the bound of what its own probabilities give on drawn labels, where that of the
      contender that would score instead lies within its bound, is significantly smaller, and comes without a higher log
      loss (else refusing the candidate would put a worse method in its place, and it is a warning), or
    - has no closed outcome to be judged by.

    Of H horizons each is judged at the level 1 - 0.05 / H (Bonferroni), so that chance alone refuses one candidate in
    twenty by each rule, however many horizons a shop has.

    best      horizon in days -> the contender, chosen on validation and never on these outcomes
    fallback  what scores where the candidate is refused; by default the contender of most horizons
    """
    horizons = tuple(
        _judge_horizon(predictions, index, candidate, best[horizon])
        for index, horizon in enumerate(predictions.horizons_days)
    )
    reasons = tuple(reason for horizon in horizons for reason in _explain(horizon, candidate))
    warnings = tuple(warning for horizon in horizons for warning in _warn(horizon, candidate))
    contenders = list(best.values())
    fallback = fallback or choose_simplest_best({c: -contenders.count(c) for c in contenders})
    return Verdict(candidate, not reasons, fallback if reasons else candidate, horizons, reasons, warnings)


def _judge_horizon(predictions: Predictions, index: int, candidate: str, contender: str) -> HorizonVerdict:
    outcome, p = predictions.of(candidate, index)
    _, contender_p = predictions.of(contender, index)
    horizon_days = predictions.horizons_days[index]
    if not len(outcome):
        return HorizonVerdict(horizon_days, 0, contender)
    level = 1 - (1 - LEVEL) / len(predictions.horizons_days)
    comparison = compare(outcome, p, contender_p, level=level)
    ece, bound = _test_calibration(outcome, p, level)
    contender_ece, contender_bound = _test_calibration(outcome, contender_p, level)
    is_in_question = ece > bound and contender_ece <= contender_bound
    return HorizonVerdict(
        horizon_days,
        len(outcome),
        contender,
        comparison,
        log_loss_ok=comparison.log_loss_interval[0] <= MARGIN,
        ece=ece,
        ece_bound=bound,
        ece_ok=ece <= bound,
        contender_ece=contender_ece,
        contender_ece_bound=contender_bound,
        contender_ece_ok=contender_ece <= contender_bound,
        ece_interval=compare_calibration(outcome, p, contender_p, level=level) if is_in_question else None,
    )


def _test_calibration(outcome: np.ndarray, p: np.ndarray, level: float) -> tuple[float, float]:
    bins = CalibrationBins(p)
    return float(bins.error(outcome[None])[0]), bins.error_bound(level=level)


def _explain(horizon: HorizonVerdict, candidate: str) -> Iterator[str]:
    """Why this horizon refuses the candidate; nothing where it does not."""
    days = f"{horizon.horizon_days} days"
    if horizon.comparison is None:
        yield f"{days}: nobody's outcome is known yet, so {candidate} cannot be judged"
        return
    if not horizon.log_loss_ok:
        low, high = horizon.comparison.log_loss_interval
        yield f"{days}: log loss of {candidate} is worse than that of {horizon.contender}, by {low:.4f} to {high:.4f}"
    if horizon.refuses_calibration:
        yield _say_calibration(horizon, candidate)


def _warn(horizon: HorizonVerdict, candidate: str) -> Iterator[str]:
    """What people should know although it refuses nobody."""
    if horizon.comparison is not None and not horizon.ece_ok and not horizon.refuses_calibration:
        yield _say_calibration(horizon, candidate)


def _say_calibration(horizon: HorizonVerdict, candidate: str) -> str:
    return (
        f"{horizon.horizon_days} days: calibration error of {candidate} is {horizon.ece:.3f}, above the "
        f"{horizon.ece_bound:.3f} that chance explains (that of {horizon.contender} is {horizon.contender_ece:.3f}, "
        f"its bound {horizon.contender_ece_bound:.3f})"
    )
