"""The verdict of the gate: may the candidate score, does a contender replace it, or are there too few outcomes?

Intervals and bounds are 95 % for all horizons together (Bonferroni), from seeded draws (metrics.py): the same input
gives the same verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from training.evaluation.calibration_tests import CalibrationTest, measure_calibration
from training.evaluation.metrics import LEVEL, Comparison, compare, compare_calibration, compare_levels
from training.evaluation.predictions import Predictions
from training.models.registry import KINDS

#: Validation log losses closer than this are a tie.
TIE = 1e-4
#: The margin of the non-inferiority test of log loss. It is a tenth of what an error in the future churn rate usually
#: costs. Without a margin, blends would be refused for tiny but significant differences to their parts.
MARGIN = 1e-3


#: A horizon is judged if at least this many customers churned and as many stayed. With fewer, paired intervals are
#: wider than the differences between methods, and no test has the power to refuse a bad model.
FEWEST_OUTCOMES = 30


@dataclass(frozen=True)
class HorizonVerdict:
    """The gate at one horizon.

    n, churned             customers whose outcome counts, and how many of them churned
    comparison             of log loss and AUROC; None, like both calibrations, if no outcome counts
    contender_calibration  the same tests for the contender
    ece_interval           of the candidate's calibration error minus the contender's
    level_interval         of the same difference of |expected - churned|; both intervals are computed only if the
                           candidate fails a calibration test and the contender fails none
    """

    horizon_days: int
    n: int
    contender: str
    churned: int = 0
    is_judged: bool = False
    comparison: Comparison | None = None
    log_loss_ok: bool = False
    calibration: CalibrationTest | None = None
    contender_calibration: CalibrationTest | None = None
    ece_interval: tuple[float, float] | None = None
    level_interval: tuple[float, float] | None = None

    @property
    def refuses_calibration(self) -> bool:
        """Whether the candidate is refused for its calibration: the contender is significantly better calibrated and
        has no higher log loss, which also penalises bad calibration."""
        if not self.is_judged or self.comparison is None:
            return False
        intervals = [interval for interval in (self.ece_interval, self.level_interval) if interval]
        is_beaten = any(interval[0] > 0 for interval in intervals)
        return is_beaten and self.comparison.log_loss_difference >= 0


@dataclass(frozen=True)
class Verdict:
    """The verdict of the gate.

    passed    no horizon refuses the candidate, and each has enough outcomes to judge
    promoted  the kind that scores: the candidate, or the fallback if it is refused
    reasons   why the candidate is refused
    unjudged  which outcomes are missing; a person then decides about the model
    refused   kinds with better validation than the candidate -> why they may not score
    """

    candidate: str
    passed: bool
    promoted: str
    horizons: tuple[HorizonVerdict, ...]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
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
    """The gate. It refuses a candidate if at any horizon

    - the paired interval of its log-loss difference to the contender lies wholly above MARGIN, or
    - it fails a calibration test (calibration_tests.py), while the contender fails none, is significantly better
      calibrated, and has no higher log loss. (Otherwise refusing the candidate would replace it by a worse method, so
      the failed test is only a warning.)

    A horizon with fewer than FEWEST_OUTCOMES churned or stayed is not judged: it does not refuse the candidate, but the
    candidate does not pass either.

    Each of H horizons is tested at the level 1 - 0.05 / H (Bonferroni), so that each rule refuses one good candidate in
    twenty by chance, however many horizons a shop has.

    best      horizon in days -> the contender, chosen on validation and never on these outcomes
    fallback  the kind that scores if the candidate is refused; by default the contender of most horizons
    """
    horizons = tuple(
        _judge_horizon(predictions, index, candidate, best[horizon])
        for index, horizon in enumerate(predictions.horizons_days)
    )
    reasons = tuple(reason for horizon in horizons for reason in _explain(horizon, candidate))
    warnings = tuple(warning for horizon in horizons for warning in _warn(horizon, candidate))
    unjudged = tuple(_say_missing(horizon) for horizon in horizons if not horizon.is_judged)
    contenders = list(best.values())
    fallback = fallback or choose_simplest_best({c: -contenders.count(c) for c in contenders})
    promoted = fallback if reasons else candidate
    return Verdict(candidate, not (reasons or unjudged), promoted, horizons, reasons, warnings, unjudged)


def _judge_horizon(predictions: Predictions, index: int, candidate: str, contender: str) -> HorizonVerdict:
    outcome, p = predictions.outcome_and_p(candidate, index)
    _, contender_p = predictions.outcome_and_p(contender, index)
    horizon_days = predictions.horizons_days[index]
    if not len(outcome):
        return HorizonVerdict(horizon_days, 0, contender)
    level = 1 - (1 - LEVEL) / len(predictions.horizons_days)
    comparison = compare(outcome, p, contender_p, level=level)
    own, other = (measure_calibration(outcome, probability, level) for probability in (p, contender_p))
    is_in_question = not own.ok and other.ok
    churned = int(outcome.sum())
    return HorizonVerdict(
        horizon_days,
        len(outcome),
        contender,
        churned,
        is_judged=min(churned, len(outcome) - churned) >= FEWEST_OUTCOMES,
        comparison=comparison,
        log_loss_ok=comparison.log_loss_interval[0] <= MARGIN,
        calibration=own,
        contender_calibration=other,
        ece_interval=compare_calibration(outcome, p, contender_p, level=level) if is_in_question else None,
        level_interval=compare_levels(outcome, p, contender_p, level=level) if is_in_question else None,
    )


def _explain(horizon: HorizonVerdict, candidate: str) -> Iterator[str]:
    """Why this horizon refuses the candidate; nothing if it does not."""
    if not horizon.is_judged or horizon.comparison is None:
        return
    if not horizon.log_loss_ok:
        low, high = horizon.comparison.log_loss_interval
        yield (
            f"{horizon.horizon_days} days: log loss of {candidate} is worse than that of {horizon.contender}, by "
            f"{low:.4f} to {high:.4f}"
        )
    if horizon.refuses_calibration:
        yield from _say_calibration(horizon, candidate)


def _warn(horizon: HorizonVerdict, candidate: str) -> Iterator[str]:
    """Failed calibration tests that do not refuse the candidate."""
    if horizon.comparison is not None and not horizon.refuses_calibration:
        yield from _say_calibration(horizon, candidate)


def _say_missing(horizon: HorizonVerdict) -> str:
    """Why a horizon cannot be judged."""
    if not horizon.n:
        return f"{horizon.horizon_days} days: nobody's outcome is known yet, so no method can be judged"
    return (
        f"{horizon.horizon_days} days: {horizon.churned:,} customers churned and {horizon.n - horizon.churned:,} "
        f"stayed; a method can be judged from {FEWEST_OUTCOMES} of each on"
    )


def _say_calibration(horizon: HorizonVerdict, candidate: str) -> Iterator[str]:
    """One sentence for each calibration test that the candidate fails, with the numbers of both methods."""
    days, own, other = f"{horizon.horizon_days} days", horizon.calibration, horizon.contender_calibration
    if own is None or other is None:
        return
    if not own.level_ok:
        yield (
            f"{days}: churn expected of {candidate} is {own.expected:.1%}, but {own.churned:.1%} of {own.n:,} churned "
            f"(z {own.z:+.1f}, chance explains up to {own.z_bound:.1f}; {horizon.contender} expected "
            f"{other.expected:.1%})"
        )
    if own.slope is not None and own.slope_interval is not None and not own.slope_ok:
        low, high = own.slope_interval
        yield (
            f"{days}: calibration slope of {candidate} is {own.slope:.2f} ({low:.2f} to {high:.2f}), so its "
            f"probabilities are too {'extreme' if own.slope < 1 else 'timid'}"
        )
    if not own.bins_ok:
        yield (
            f"{days}: calibration error of {candidate} is {own.ece:.3f}, above the {own.ece_bound:.3f} that chance "
            f"explains (that of {horizon.contender} is {other.ece:.3f}, its bound {other.ece_bound:.3f})"
        )
