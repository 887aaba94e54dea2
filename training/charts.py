"""What do the probabilities look like? Curves as bare SVG elements that take text colour and font from their page.

Every chart shows one horizon. Methods keep their colour and dash everywhere (safe for colour-blind eyes and for
black-and-white print); `main`, the one the reader cares for most, is drawn last and thickest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from training.metrics import CalibrationBins, count_hits

#: Method -> colour and dash. Colours: P. Tol, "Colour schemes" (2021), vibrant.
STYLES = {
    "recency": ("#8a8a8a", "1 3"),
    "logistic": ("#009988", "7 3"),
    "boosting": ("#ee7733", "7 3 1.5 3"),
    "lstm": ("#0077bb", "none"),
}
OTHER_STYLES = (("#cc3311", "3 2"), ("#ee3377", "3 2 1 2"), ("#33bbee", "10 3"))
STAYED, CHURNED = "#0077bb", "#ee7733"
_POINTS = 250
_BARS = 40

#: Probabilities by method, each (n,).
ByMethod = Mapping[str, np.ndarray]


def style_of(method: str, methods: Sequence[str]) -> tuple[str, str]:
    """Colour and dash; methods without a style of their own take the others in turn."""
    if method in STYLES:
        return STYLES[method]
    others = [m for m in methods if m not in STYLES]
    return OTHER_STYLES[others.index(method) % len(OTHER_STYLES)]


def draw_roc(outcome: np.ndarray, by_method: ByMethod, main: str) -> Markup:
    """Churners found over stayers flagged. Needs both outcomes, as the next three charts do."""

    def trace(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hits, chosen = _start_at_nobody(*count_hits(outcome, p))
        return (chosen - hits) / (chosen - hits)[-1], hits / hits[-1]

    lines = _draw_methods(_SQUARE, by_method, main, trace)
    labels = "flagged among those who stayed", "flagged among those who churned"
    return _SQUARE.draw("ROC curves", *labels, [_SQUARE.rule([0, 1], [0, 1]), *lines])


def draw_precision_recall(outcome: np.ndarray, by_method: ByMethod, main: str) -> Markup:
    """Share of churners among the flagged over the share of churners found."""

    def trace(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hits, chosen = count_hits(outcome, p)
        return hits / hits[-1], hits / chosen

    chance = _SQUARE.rule([0, 1], [outcome.mean()] * 2)
    labels = "flagged among those who churned", "churned among those flagged"
    lines = _draw_methods(_SQUARE, by_method, main, trace)
    return _SQUARE.draw("precision and recall", *labels, [chance, *lines])


def draw_gains(outcome: np.ndarray, by_method: ByMethod, main: str) -> Markup:
    """Churners found over customers contacted, between the order of chance and the perfect one."""

    def trace(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hits, chosen = _start_at_nobody(*count_hits(outcome, p))
        return chosen / chosen[-1], hits / hits[-1]

    rules = [_SQUARE.rule([0, 1], [0, 1]), _SQUARE.rule([0, outcome.mean(), 1], [0, 1, 1])]
    labels = "customers contacted, highest risk first", "churners reached"
    lines = _draw_methods(_SQUARE, by_method, main, trace)
    return _SQUARE.draw("cumulative gains", *labels, [*rules, *lines])


def draw_reliability(outcome: np.ndarray, by_method: ByMethod, main: str) -> Markup:
    """Churn rate over mean probability in bins of equal mass; the band holds 95 % of what `main` would show if its
    probabilities were exactly right."""

    def trace(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bins = CalibrationBins(p)
        return bins.means(p[None])[0], bins.means(outcome[None])[0]

    bins = CalibrationBins(by_method[main])
    low, high = np.percentile(bins.draw_means(), [2.5, 97.5], axis=0)
    color = style_of(main, list(by_method))[0]
    said, came = trace(by_method[main])
    band = _SQUARE.area(said, low, high, color)
    lines = _draw_methods(_SQUARE, by_method, main, trace)
    dots = [_SQUARE.dot(x, y, color) for x, y in zip(said, came, strict=True)]
    parts = [band, _SQUARE.rule([0, 1], [0, 1]), *lines, *dots]
    return _SQUARE.draw("reliability", "probability said", "share that churned", parts)


def draw_histogram(outcome: np.ndarray, p: np.ndarray, thresholds: Mapping[str, float]) -> Markup:
    """How many got which probability: those who churned on top of those who stayed; thresholds are named."""
    edges = np.linspace(0, 1, _BARS + 1)
    stayed, churned = (np.histogram(p[outcome == value], edges)[0] for value in (0, 1))
    frame = Frame(720, 230, top=_round_up(max(1, (stayed + churned).max())))
    bars = [
        frame.bar(edge, 1 / _BARS, bottom, bottom + height, color)
        for edge, below, above in zip(edges, stayed, churned, strict=False)
        for bottom, height, color in ((0, below, STAYED), (below, above, CHURNED))
        if height
    ]
    marks = [frame.mark(value, name) for name, value in thresholds.items()]
    return frame.draw("distribution of the probabilities", "probability said", "customers", [*bars, *marks])


def draw_interval(low: float, middle: float, high: float, reach: float) -> Markup:
    """A value and its interval on an axis from -reach to reach, with a rule at zero."""

    def place(value: float) -> float:
        return 80 + 74 * value / reach

    return _element(
        "svg",
        [
            _element("path", d="M80 2V18", stroke="currentColor", stroke_opacity="0.45", stroke_width=1),
            _element("path", d=f"M{place(low):.1f} 10H{place(high):.1f}", stroke="currentColor", stroke_width=2),
            _element("circle", cx=f"{place(middle):.1f}", cy=10, r=3.5, fill="currentColor"),
        ],
        viewBox="0 0 160 20", width=160, height=20, role="img", aria_label="difference and its 95 % interval",
    )  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """A plotting area of a shares axis from 0 to 1 and an upward one from 0 to `top`; sizes in pixels."""

    width: int
    height: int
    top: float = 1.0
    left: int = 48
    bottom: int = 42
    edge: int = 18

    def x(self, value: float) -> float:
        return self.left + (self.width - self.left - self.edge) * value

    def y(self, value: float) -> float:
        return self.edge + (self.height - self.bottom - self.edge) * (1 - value / self.top)

    def path(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        return "M" + "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))

    def line(self, xs: np.ndarray, ys: np.ndarray, color: str, dash: str, width: float) -> Markup:
        """A curve, thinned to what the eye can see."""
        kept = np.unique(np.linspace(0, len(xs) - 1, _POINTS).round().astype(int))
        path = self.path(np.asarray(xs)[kept], np.asarray(ys)[kept])
        return _element("path", d=path, fill="none", stroke=color, stroke_width=width, stroke_dasharray=dash,
                        stroke_linejoin="round")  # fmt: skip

    def rule(self, xs: Sequence[float], ys: Sequence[float]) -> Markup:
        """A thin line to compare with."""
        return _element("path", d=self.path(xs, ys), fill="none", stroke="currentColor", stroke_opacity="0.35")

    def area(self, xs: np.ndarray, low: np.ndarray, high: np.ndarray, color: str) -> Markup:
        around = self.path([*xs, *xs[::-1]], [*high, *low[::-1]])
        return _element("path", d=around + "Z", fill=color, fill_opacity="0.2")

    def dot(self, x: float, y: float, color: str) -> Markup:
        return _element("circle", cx=f"{self.x(x):.1f}", cy=f"{self.y(y):.1f}", r=3, fill=color)

    def bar(self, x: float, width: float, bottom: float, top: float, color: str) -> Markup:
        wide, high = self.x(width) - self.x(0) - 1.5, self.y(bottom) - self.y(top)
        place = {"x": f"{self.x(x) + 0.75:.1f}", "y": f"{self.y(top):.1f}"}
        return _element("rect", **place, width=f"{wide:.1f}", height=f"{high:.1f}", fill=color)

    def mark(self, x: float, name: str) -> Markup:
        upright = _element("path", d=self.path([x, x], [0, self.top]), stroke="currentColor", stroke_dasharray="2 3")
        return upright + self.text(self.x(x) + 5, self.edge + 9, name, "start")

    def text(self, x: float, y: float, words: str, anchor: str = "middle", **more: object) -> Markup:
        return _element("text", [words], x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, font_size=11,
                        fill="currentColor", **more)  # fmt: skip

    def draw(self, title: str, x_label: str, y_label: str, parts: Iterable[Markup]) -> Markup:
        """The whole chart: grid, axes with their labels, and the parts."""
        grid, words = [], []
        for share in np.linspace(0, 1, 6):
            level = share * self.top
            grid += [self.path([share, share], [0, self.top]), self.path([0, 1], [level, level])]
            words.append(self.text(self.x(share), self.height - self.bottom + 15, write_share(share)))
            said = write_share(level) if self.top == 1 else f"{level:,.0f}"
            words.append(self.text(self.left - 6, self.y(level) + 3.5, said, "end"))
        middle = self.y(self.top / 2)
        words.append(self.text(self.x(0.5), self.height - 6, x_label))
        words.append(self.text(11, middle, y_label, transform=f"rotate(-90 11 {middle:.1f})"))
        lines = _element("path", d="".join(grid), stroke="currentColor", stroke_opacity="0.12", fill="none")
        return _element("svg", [lines, *parts, *words], viewBox=f"0 0 {self.width} {self.height}",
                        role="img", aria_label=title)  # fmt: skip


_SQUARE = Frame(360, 340)


def write_share(share: float) -> str:
    return f"{100 * share:.0f} %"


def _element(tag: str, content: Iterable[str] = (), **attributes: object) -> Markup:
    """An SVG element; `_` in attribute names stands for `-`; contents that are no Markup are escaped."""
    inner = Markup("").join(content)
    described = Markup("").join(
        Markup(' {}="{}"').format(name if name == "viewBox" else name.replace("_", "-"), value)
        for name, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), described, inner)


def _draw_methods(frame: Frame, by_method: ByMethod, main: str, trace) -> list[Markup]:
    """A line for each method, `main` last: `trace` gives its (xs, ys)."""
    ordered = sorted(by_method, key=lambda method: method == main)
    return [
        frame.line(*trace(by_method[method]), *style_of(method, list(by_method)), width=2.4 if method == main else 1.4)
        for method in ordered
    ]


def _start_at_nobody(hits: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([[0.0], hits]), np.concatenate([[0.0], chosen])


def _round_up(count: float) -> float:
    """The next number that five grid lines divide into whole steps."""
    step = 10 ** np.floor(np.log10(count)) / 2
    return float(max(5, np.ceil(count * 1.05 / (5 * step)) * 5 * step)) if step >= 1 else 5.0 * np.ceil(count / 5)
