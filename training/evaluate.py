"""How good are the probabilities, and may the candidate replace the simpler methods?

A metric for horizon H is taken over customers with qualifying activity in (cutoff - H, cutoff] whose outcome window
(cutoff, cutoff + H] is closed; "positive" is churned, outcome 1. A value that a sample does not define (one class
only, nobody predicted positive) is None, never 0. Intervals and bounds are 95 %, the gate's over all its horizons
together (Bonferroni), from 1,000 seeded draws
(metrics.py): the same input gives the same verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.features import ACTIVITY_MEASURES
from spark_jobs.contract.shop import Shop
from spark_jobs.contract.windows import Window, activity_window, is_closed, label_window
from training.members import KINDS
from training.metrics import (
    LEVEL,
    CalibrationBins,
    Comparison,
    Ranking,
    average_precision,
    compare,
    lift,
    log_losses,
    none_if_undefined,
)

#: Validation log losses closer than this are a tie.
TIE = 1e-4
#: What a refusal has to be worth at least: the margin of a non-inferiority test. A tenth of what a miss of the coming
#: churn rate usually costs; blends and their parts differ so little that significance alone would refuse them for less.
MARGIN = 1e-3


class Outcomes(NamedTuple):
    """What became of every row of a series: eligible (N,) bool, active (N, H) bool, outcome (N, H) float64.

    outcome is 1 churned, 0 stayed, NaN where the window ends after the day up to which the series knows the world.
    """

    eligible: np.ndarray
    active: np.ndarray
    outcome: np.ndarray


@dataclass(frozen=True)
class Predictions:
    """The eligible customers of one cut-off, what happened to them and what each method had said.

    active and outcome (N, H) are as in Outcomes; by_method holds probabilities of churn, float64 (N, H); traits (N,)
    are what segments are made of.
    """

    customer_id: np.ndarray
    cutoff: date
    horizons_days: tuple[int, ...]
    active: np.ndarray
    outcome: np.ndarray
    by_method: dict[str, np.ndarray]
    traits: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.customer_id), len(self.horizons_days))
        for name, values in {"active": self.active, "outcome": self.outcome, **self.by_method}.items():
            if values.shape != shape:
                raise ChurnError(f"predictions at {self.cutoff}: {name} has shape {values.shape}, expected {shape}")
        for method, p in self.by_method.items():
            if not ((p >= 0) & (p <= 1)).all():
                raise ChurnError(f"predictions at {self.cutoff}: {method} gives values that are no probabilities")

    def is_measured(self, horizon_index: int) -> np.ndarray:
        """(N,) bool: whose outcome counts for this horizon."""
        return self.active[:, horizon_index] & ~np.isnan(self.outcome[:, horizon_index])

    def of(self, method: str, horizon_index: int) -> tuple[np.ndarray, np.ndarray]:
        """Outcomes and the method's probabilities, both (n,), of those who count for this horizon."""
        rows = self.is_measured(horizon_index)
        return self.outcome[rows, horizon_index], self.by_method[method][rows, horizon_index]


@dataclass(frozen=True)
class MetricRow:
    """One method at one horizon. Threshold metrics are at probability 0.5; lift_10 is the churn rate among the tenth
    with the highest probabilities over the churn rate of all."""

    horizon_days: int
    method: str
    n: int
    churn_rate: float | None
    auroc: float | None
    pr_auc: float | None
    log_loss: float | None
    brier: float | None
    ece: float | None
    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    lift_10: float | None


@dataclass(frozen=True)
class HorizonVerdict:
    """The gate at one horizon: both parts, and the same calibration test of the contender for fairness.

    comparison is None, and so are all measures, where no outcome counts for the horizon.
    """

    horizon_days: int
    n: int
    contender: str
    comparison: Comparison | None
    log_loss_ok: bool
    ece: float | None
    ece_bound: float | None
    ece_ok: bool
    contender_ece: float | None
    contender_ece_bound: float | None
    contender_ece_ok: bool


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


def take_outcomes(series: pa.Table, cutoff: date, shop: Shop) -> Outcomes:
    """Who of a (training) series was eligible at the cut-off, active for each horizon, and churned within it.

    The series' own as_of says up to which day the world is known.
    """
    churn, known_until = shop.churn, _read_as_of(series)
    if cutoff > known_until:
        raise ChurnError(f"the series is as of {known_until}: it cannot tell who was active at {cutoff}")
    row, day = _read_activity(series, ACTIVITY_MEASURES[churn.activity])

    def has_activity(window: Window) -> np.ndarray:
        inside = (day >= np.datetime64(window.first)) & (day <= np.datetime64(window.last))
        return np.bincount(row[inside], minlength=series.num_rows) > 0

    eligible = has_activity(activity_window(cutoff, churn.eligible_within_days))
    active = [has_activity(activity_window(cutoff, h)) for h in churn.horizons_days]
    outcome = [
        1.0 - has_activity(label_window(cutoff, h)) if is_closed(cutoff, h, known_until)
        else np.full(series.num_rows, np.nan)
        for h in churn.horizons_days
    ]  # fmt: skip
    return Outcomes(eligible, np.stack(active, axis=1), np.stack(outcome, axis=1))


def _read_as_of(series: pa.Table) -> date:
    days = pc.unique(series["as_of"]).to_pylist()
    if len(days) != 1:
        raise ChurnError(f"a series must be as of one day, found {len(days)}: read one partition that has rows")
    return days[0]


def _read_activity(series: pa.Table, measure: str) -> tuple[np.ndarray, np.ndarray]:
    """The row number and the day of every day on which the measure is above zero, both (number of such days,)."""
    lengths = pc.list_value_length(series["days"]).to_numpy()
    row = np.repeat(np.arange(series.num_rows), lengths)
    day = pc.list_flatten(series["days"]).to_numpy().astype("datetime64[D]")
    is_active = pc.list_flatten(series[measure]).to_numpy() > 0
    return row[is_active], day[is_active]


def measure(predictions: Predictions) -> list[MetricRow]:
    """Every metric of every method, horizon by horizon."""
    return [
        measure_method(*predictions.of(method, index), horizon_days, method)
        for index, horizon_days in enumerate(predictions.horizons_days)
        for method in predictions.by_method
    ]


def measure_method(outcome: np.ndarray, p: np.ndarray, horizon_days: int, method: str) -> MetricRow:
    """The metrics of probabilities p (n,) for outcomes 0 or 1 (n,)."""
    n = len(outcome)
    said_churn = p >= 0.5
    hits = int(outcome[said_churn].sum())
    wrongs = said_churn.sum() + outcome.sum() - 2 * hits
    return MetricRow(
        horizon_days,
        method,
        n,
        churn_rate=_ratio(outcome.sum(), n),
        auroc=none_if_undefined(Ranking(outcome, p).auroc(np.ones((1, n)))[0]),
        pr_auc=average_precision(outcome, p),
        log_loss=_ratio(log_losses(outcome, p).sum(), n),
        brier=_ratio(((p - outcome) ** 2).sum(), n),
        ece=float(CalibrationBins(p).error(outcome[None])[0]) if n else None,
        accuracy=_ratio(n - wrongs, n),
        precision=_ratio(hits, said_churn.sum()),
        recall=_ratio(hits, outcome.sum()),
        f1=_ratio(2 * hits, 2 * hits + wrongs),
        lift_10=lift(outcome, p, 0.1),
    )


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None


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
    - has a calibration error above the bound of what its own probabilities give on drawn labels, where the contender
      that would score instead has not, and no higher log loss either (log loss pays for bad calibration as well: else
      refusing the candidate would put a worse method in its place, and it is a warning), or
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
        return HorizonVerdict(horizon_days, 0, contender, None, False, None, None, False, None, None, False)
    level = 1 - (1 - LEVEL) / len(predictions.horizons_days)
    comparison = compare(outcome, p, contender_p, level=level)
    ece, bound = _test_calibration(outcome, p, level)
    contender_ece, contender_bound = _test_calibration(outcome, contender_p, level)
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
    if _is_refused_for_calibration(horizon):
        yield _say_calibration(horizon, candidate)


def _warn(horizon: HorizonVerdict, candidate: str) -> Iterator[str]:
    """What people should know although it refuses nobody."""
    if horizon.comparison is not None and not horizon.ece_ok and not _is_refused_for_calibration(horizon):
        yield _say_calibration(horizon, candidate)


def _is_refused_for_calibration(horizon: HorizonVerdict) -> bool:
    is_contender_worse = horizon.comparison.log_loss_difference < 0
    return not horizon.ece_ok and horizon.contender_ece_ok and not is_contender_worse


def _say_calibration(horizon: HorizonVerdict, candidate: str) -> str:
    return (
        f"{horizon.horizon_days} days: calibration error of {candidate} is {horizon.ece:.3f}, above the "
        f"{horizon.ece_bound:.3f} that chance explains (that of {horizon.contender} is {horizon.contender_ece:.3f}, "
        f"its bound {horizon.contender_ece_bound:.3f})"
    )
