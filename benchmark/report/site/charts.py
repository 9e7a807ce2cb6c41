"""Curves as coordinates: the templates draw them as SVG in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.report.runs.summary import decimals
from benchmark.scores import Value

Values = Sequence[Value]
"""One value per phase, None where there is none."""
Point = tuple[float, float]

WIDTH, HEIGHT = 300, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 22
SPARKLINE_WIDTH, SPARKLINE_HEIGHT = 64, 18
SMALLEST_RANGE = 0.1
"""Least height of a chart, as a share of its largest value."""


@dataclass(frozen=True)
class Polyline:
    """Connected points in pixels; `bold` is the line to look at."""

    points: tuple[Point, ...]
    bold: bool

    @property
    def path(self) -> str:
        """The `points` attribute of an SVG polyline."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.points)


@dataclass(frozen=True)
class Chart:
    """Curves over the phases of a sequence, with the positions of their ticks."""

    title: str
    unit: str
    lines: tuple[Polyline, ...]
    ticks: tuple[tuple[float, float], ...]
    """Height in pixels and value."""
    decimals: int
    phases: tuple[tuple[float, str], ...]
    """Distance from the left in pixels and label."""
    zero: float | None
    """Height of the line at 0, where 0 is within the chart."""
    values: tuple[tuple[str, float], ...]
    """Phase and value of the bold curve, or of the first, for those who cannot see it."""


@dataclass(frozen=True)
class Sparkline:
    """A curve as large as a word."""

    line: Polyline
    zero: float
    values: tuple[float, ...]


def chart(title: str, curves: Sequence[Values], bold: Values | None = None, unit: str = "",
          labels: Sequence[str] = ()) -> Chart | None:
    """The chart of thin `curves` and one `bold` one; None when there is nothing to draw.

    `labels` name the phases; they are numbered from 1 otherwise.
    """
    everything = [*curves, *([bold] if bold else [])]
    known = [value for curve in everything for value in curve if value is not None]
    if not known:
        return None
    low, high = _range(known)
    count = max(map(len, everything))
    names = labels or [str(phase + 1) for phase in range(count)]

    def x(phase: int) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * phase / max(1, count - 1), 1)

    def y(value: float) -> float:
        return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low), 1)

    lines = tuple(Polyline(tuple((x(phase), y(value)) for phase, value in enumerate(curve)
                                 if value is not None), curve is bold) for curve in everything)
    return Chart(title, unit, lines, tuple((y(tick), tick)
                                           for tick in (low, (low + high) / 2, high)),
                 max(0, decimals(high - low) - 1),
                 tuple((x(phase), name) for phase, name in enumerate(names)),
                 y(0.0) if low < 0 < high else None,
                 tuple((name, value) for name, value in zip(names, bold or curves[0], strict=False)
                       if value is not None))


def sparkline(values: Values) -> Sparkline | None:
    """A word-sized curve with its line at 0; None unless all of two values or more are known."""
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(known) < len(values):
        return None
    low, high = min(0.0, *known), max(0.0, *known)
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return round(2 + (SPARKLINE_HEIGHT - 4) * (high - value) / span, 1)

    step = (SPARKLINE_WIDTH - 6) / (len(known) - 1)
    points = tuple((round(3 + step * phase, 1), y(value)) for phase, value in enumerate(known))
    return Sparkline(Polyline(points, True), y(0.0), tuple(known))


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From below to above all values, wide enough that small changes look small."""
    low, high = min(values), max(values)
    lacking = max(0.0, SMALLEST_RANGE * max(map(abs, values)) - (high - low))
    margin = max(0.06 * (high - low), lacking / 2) or 1.0
    return low - margin, high + margin
