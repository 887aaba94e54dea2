"""Draws charts as SVG: a plotting area with axes, and the elements in it.

Text colour and font are inherited from the page, so that charts work in light and dark mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

_POINTS = 250


def write_share(share: float) -> str:
    return f"{100 * share:.0f} %"


@dataclass(frozen=True)
class Frame:
    """A plotting area with an x axis from 0 to 1 and a y axis from `base` to `top`; sizes in pixels."""

    width: int
    height: int
    base: float = 0.0
    top: float = 1.0
    left: int = 48
    bottom: int = 42
    edge: int = 18
    write: Callable[[float], str] = write_share

    def x(self, value: float) -> float:
        return self.left + (self.width - self.left - self.edge) * value

    def y(self, value: float) -> float:
        return self.edge + (self.height - self.bottom - self.edge) * (self.top - value) / (self.top - self.base)

    def path(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        return "M" + "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))

    def line(self, xs: np.ndarray, ys: np.ndarray, color: str, dash: str, width: float) -> Markup:
        """A curve, reduced to _POINTS points."""
        kept = np.unique(np.linspace(0, len(xs) - 1, _POINTS).round().astype(int))
        path = self.path(np.asarray(xs)[kept], np.asarray(ys)[kept])
        return make_element("path", d=path, fill="none", stroke=color, stroke_width=width, stroke_dasharray=dash,
                            stroke_linejoin="round")  # fmt: skip

    def rule(self, xs: Sequence[float], ys: Sequence[float]) -> Markup:
        """A thin reference line."""
        return make_element("path", d=self.path(xs, ys), fill="none", stroke="currentColor", stroke_opacity="0.35")

    def dot(self, x: float, y: float, color: str) -> Markup:
        return make_element("circle", cx=f"{self.x(x):.1f}", cy=f"{self.y(y):.1f}", r=3.5, fill=color)

    def whisker(self, x: float, low: float, high: float, color: str) -> Markup:
        """A vertical line for the interval of a dot."""
        return make_element("path", d=self.path([x, x], [low, high]), stroke=color, stroke_width=2,
                            stroke_opacity="0.6")  # fmt: skip

    def bar(self, x: float, width: float, bottom: float, top: float, color: str) -> Markup:
        wide, high = self.x(width) - self.x(0) - 1.5, self.y(bottom) - self.y(top)
        place = {"x": f"{self.x(x) + 0.75:.1f}", "y": f"{self.y(top):.1f}"}
        return make_element("rect", **place, width=f"{wide:.1f}", height=f"{high:.1f}", fill=color)

    def mark(self, x: float, name: str, height: float = 1.0) -> Markup:
        """A vertical line with a name beside it, at the given share of the height."""
        upright = make_element("path", d=self.path([x, x], [self.base, self.top]), stroke="currentColor",
                               stroke_dasharray="2 3")  # fmt: skip
        shift, anchor = (5, "start") if x < 0.7 else (-5, "end")
        level = self.base + height * (self.top - self.base)
        return upright + self.text(self.x(x) + shift, self.y(level) + 9, name, anchor)

    def text(self, x: float, y: float, words: str, anchor: str = "middle", **more: object) -> Markup:
        return make_element("text", [words], x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, font_size=11,
                            fill="currentColor", **more)  # fmt: skip

    def draw(self, title: str, x_label: str, y_label: str, parts: Iterable[Markup]) -> Markup:
        """The whole chart: grid, axes with their labels, and the parts."""
        grid, words = [], []
        for share, level in zip(np.linspace(0, 1, 6), np.linspace(self.base, self.top, 6), strict=True):
            grid += [self.path([share, share], [self.base, self.top]), self.path([0, 1], [level, level])]
            words.append(self.text(self.x(share), self.height - self.bottom + 15, write_share(share)))
            words.append(self.text(self.left - 6, self.y(level) + 3.5, self.write(level), "end"))
        middle = self.y((self.base + self.top) / 2)
        words.append(self.text(self.x(0.5), self.height - 6, x_label))
        words.append(self.text(11, middle, y_label, transform=f"rotate(-90 11 {middle:.1f})"))
        lines = make_element("path", d="".join(grid), stroke="currentColor", stroke_opacity="0.12", fill="none")
        return make_element("svg", [lines, *parts, *words], viewBox=f"0 0 {self.width} {self.height}",
                            role="img", aria_label=title)  # fmt: skip


def draw_interval(low: float, middle: float, high: float, reach: float) -> Markup:
    """A value and its interval on an axis from -reach to reach, with a line at zero."""

    def place(value: float) -> float:
        return 80 + 74 * value / reach

    return make_element(
        "svg",
        [
            make_element("path", d="M80 2V18", stroke="currentColor", stroke_opacity="0.45", stroke_width=1),
            make_element("path", d=f"M{place(low):.1f} 10H{place(high):.1f}", stroke="currentColor", stroke_width=2),
            make_element("circle", cx=f"{place(middle):.1f}", cy=10, r=3.5, fill="currentColor"),
        ],
        viewBox="0 0 160 20", width=160, height=20, role="img", aria_label="difference and its 95 % interval",
    )  # fmt: skip


def round_up(value: float) -> float:
    """The next number that is five steps of 1, 2, 4 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value / 5))
    return float(5 * power * next(step for step in (1, 2, 4, 5, 10) if step * power * 5 >= value * (1 - 1e-9)))


def find_axis(low: float, high: float) -> tuple[float, float]:
    """Base and top of an axis that includes both values, five round steps apart."""
    span = high - low or 1.0
    while True:
        step = round_up(span) / 5
        base = step * float(np.floor(low / step))
        if base + 5 * step >= high:
            return base, base + 5 * step
        span = 5.01 * step


def make_element(tag: str, content: Iterable[str] = (), **attributes: object) -> Markup:
    """An SVG element. `_` in attribute names is replaced by `-`; content that is not Markup is escaped."""
    inner = Markup("").join(content)
    described = Markup("").join(
        Markup(' {}="{}"').format(name if name == "viewBox" else name.replace("_", "-"), value)
        for name, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), described, inner)
