"""The charts of the report; drawing.py draws their elements as SVG.

Every chart shows one horizon. A method has the same colour and dash in all charts; the dash is for colour-blind readers
and black-and-white print. `main`, the method that scores, is drawn last, thickest and solid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from markupsafe import Markup

from training.evaluation.metrics import CalibrationBins, count_hits, wilson
from training.models.registry import CONTENDERS
from training.reporting.drawing import Frame, find_axis, round_up
from training.selection.profit import ProfitCurve

#: Method -> colour and dash.
STYLES = {kind: (one.appearance.colour, one.appearance.dash) for kind, one in CONTENDERS.items()}
OTHER_STYLE = ("#8a8a8a", "3 2 1 2")
STAYED, CHURNED = "#0077bb", "#ee7733"
_BARS = 40
#: The lift is not drawn for fewer customers than this, as a share and as a number: it would be noise.
_LEAST_SHARE, _LEAST_COUNT = 0.01, 10

#: Probabilities by method, each (n,).
ByMethod = Mapping[str, np.ndarray]


def style_of(method: str, main: str = "") -> tuple[str, str]:
    """Colour and dash; `main` is a solid line."""
    color, dash = STYLES.get(method, OTHER_STYLE)
    return color, "none" if method == main else dash


def draw_roc(outcome: np.ndarray, by_method: ByMethod, main: str) -> Markup:
    """ROC curves. Needs both outcomes, like the next charts."""

    def trace(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hits, chosen = _start_at_nobody(*count_hits(outcome, p))
        return (chosen - hits) / (chosen - hits)[-1], hits / hits[-1]

    lines = _draw_methods(_SQUARE, by_method, main, trace)
    labels = "flagged among those who stayed", "flagged among those who churned"
    return _SQUARE.draw("ROC curves", *labels, [_SQUARE.rule([0, 1], [0, 1]), *lines])


def draw_precision_recall(outcome: np.ndarray, by_method: ByMethod, main: str) -> Markup:
    """Precision over recall."""

    def trace(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hits, chosen = count_hits(outcome, p)
        return hits / hits[-1], hits / chosen

    chance = _SQUARE.rule([0, 1], [outcome.mean()] * 2)
    labels = "flagged among those who churned", "churned among those flagged"
    lines = _draw_methods(_SQUARE, by_method, main, trace)
    return _SQUARE.draw("precision and recall", *labels, [chance, *lines])


def draw_gains(outcome: np.ndarray, by_method: ByMethod, main: str) -> Markup:
    """Cumulative gains: churners found over customers contacted, with a random and a perfect order for comparison."""

    def trace(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hits, chosen = _start_at_nobody(*count_hits(outcome, p))
        return chosen / chosen[-1], hits / hits[-1]

    rules = [_SQUARE.rule([0, 1], [0, 1]), _SQUARE.rule([0, outcome.mean(), 1], [0, 1, 1])]
    labels = "customers contacted, highest risk first", "churners reached"
    lines = _draw_methods(_SQUARE, by_method, main, trace)
    return _SQUARE.draw("cumulative gains", *labels, [*rules, *lines])


def draw_lift(outcome: np.ndarray, by_method: ByMethod, main: str) -> Markup:
    """Lift: churn rate of the customers contacted over that of all, with a perfect order and chance for comparison."""

    def trace(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hits, chosen = count_hits(outcome, p)
        enough = chosen >= min(max(_LEAST_COUNT, _LEAST_SHARE * len(p)), len(p))
        return (chosen / len(p))[enough], (hits / chosen / outcome.mean())[enough]

    shares = np.linspace(0, 1, 101)[1:]
    perfect = np.minimum(1 / outcome.mean(), 1 / shares)
    highest = max(trace(p)[1].max() for p in by_method.values())
    frame = Frame(360, 340, top=round_up(min(1.05 * highest, perfect.max())), write=lambda times: f"{times:.1f}×")
    shown = perfect <= frame.top
    rules = [frame.rule([0, 1], [1, 1]), frame.rule(shares[shown], perfect[shown])]
    lines = _draw_methods(frame, by_method, main, trace)
    labels = "customers contacted, highest risk first", "churn rate over that of all"
    return frame.draw("lift", *labels, [*rules, *lines])


def draw_reliability(outcome: np.ndarray, p: np.ndarray, method: str) -> Markup:
    """Churn rate over mean probability in bins of equal size, with each bin's 95 % interval."""
    bins = CalibrationBins(p)
    predicted, actual = bins.means(p[None])[0], bins.means(outcome[None])[0]
    low, high = wilson(actual, bins.sizes)
    color = style_of(method)[0]
    whiskers = [_SMALL.whisker(*ends, color) for ends in zip(predicted, low, high, strict=True)]
    dots = [_SMALL.dot(x, y, color) for x, y in zip(predicted, actual, strict=True)]
    parts = [_SMALL.rule([0, 1], [0, 1]), _SMALL.line(predicted, actual, color, "none", 1.2), *whiskers, *dots]
    return _SMALL.draw("reliability", "predicted probability", "share that churned", parts)


def draw_histogram(outcome: np.ndarray, p: np.ndarray, thresholds: Mapping[str, float]) -> Markup:
    """Histogram of the probabilities, churned stacked on stayed, with named thresholds."""
    edges = np.linspace(0, 1, _BARS + 1)
    stayed, churned = (np.histogram(p[outcome == value], edges)[0] for value in (0, 1))
    frame = Frame(720, 230, top=round_up(max(5, (stayed + churned).max())), write=_write_count)
    bars = [
        frame.bar(edge, 1 / _BARS, bottom, bottom + height, color)
        for edge, below, above in zip(edges, stayed, churned, strict=False)
        for bottom, height, color in ((0, below, STAYED), (below, above, CHURNED))
        if height
    ]
    marks = [frame.mark(value, name) for name, value in thresholds.items()]
    return frame.draw("distribution of the probabilities", "predicted probability", "customers", [*bars, *marks])


def draw_profit(curve: ProfitCurve, currency: str) -> Markup:
    """Profit over customers contacted: actual, expected, and for a random order."""
    lowest, highest = min(0.0, curve.expected.min(), curve.actual.min()), max(curve.expected.max(), curve.actual.max())
    base, top = find_axis(lowest, highest)
    frame = Frame(720, 300, base=base, top=top, left=64, write=_write_count)
    depth = curve.depth / (len(curve.actual) - 1)
    parts = [
        frame.rule([0, 1], [0, 0]),
        frame.rule([0, 1], [0, curve.actual[-1]]),
        frame.line(curve.share, curve.expected, STAYED, "7 3", 1.6),
        frame.line(curve.share, curve.actual, CHURNED, "none", 2.6),
        frame.mark(depth, f"{curve.depth:,} are worth a contact", height=0.15),
    ]
    return frame.draw("profit", "customers contacted, highest expected profit first", f"profit, {currency}", parts)


_SQUARE, _SMALL = Frame(360, 340), Frame(280, 270)


def _write_count(value: float) -> str:
    return f"{value:,.0f}".replace("-", "−")


def _draw_methods(
    frame: Frame, by_method: ByMethod, main: str, trace: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> list[Markup]:
    """A line for each method, `main` last; `trace` maps probabilities to (xs, ys)."""
    ordered = sorted(by_method, key=lambda method: method == main)
    return [
        frame.line(*trace(by_method[method]), *style_of(method, main), width=2.8 if method == main else 1.2)
        for method in ordered
    ]


def _start_at_nobody(hits: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([[0.0], hits]), np.concatenate([[0.0], chosen])
