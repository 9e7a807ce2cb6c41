"""Curves as coordinates: the templates draw them as SVG in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.report.site.numbers import decimals, text

Values = Sequence[float | None]
"""One value per phase, None where there is none."""
Point = tuple[float, float]

WIDTH, HEIGHT = 300, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 22
SPARK_WIDTH, SPARK_HEIGHT = 64, 18
SMALLEST_RANGE = 0.1
"""Least height of a chart, as a share of its largest value."""


@dataclass(frozen=True)
class Stroke:
    """One polyline, in pixels; `strong` is the one to look at."""

    points: tuple[Point, ...]
    strong: bool

    @property
    def path(self) -> str:
        """The `points` attribute of an SVG polyline."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.points)


@dataclass(frozen=True)
class Chart:
    """Curves over the phases of a sequence, with the positions of their ticks."""

    title: str
    told: str
    """What the picture shows, for those who cannot see it."""
    strokes: tuple[Stroke, ...]
    ticks: tuple[tuple[float, str], ...]
    """Height in pixels and label."""
    phases: tuple[tuple[float, str], ...]
    """Distance from the left in pixels and label."""
    zero: float | None
    """Height of the line at 0, where 0 is within the chart."""


@dataclass(frozen=True)
class Spark:
    """A curve as large as a word."""

    stroke: Stroke
    zero: float
    told: str


def chart(title: str, curves: Sequence[Values], strong: Values | None = None, unit: str = "",
          labels: Sequence[str] = ()) -> Chart | None:
    """The chart of thin `curves` and one `strong` one; None when there is nothing to draw.

    `labels` name the phases; they are numbered from 1 otherwise.
    """
    everything = [*curves, *([strong] if strong else [])]
    known = [value for curve in everything for value in curve if value is not None]
    if not known:
        return None
    low, high = _range(known)
    phases = max(map(len, everything))

    def x(phase: int) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * phase / max(1, phases - 1)

    def y(value: float) -> float:
        return _TOP + (HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    strokes = tuple(Stroke(tuple((round(x(phase), 1), round(y(value), 1))
                                 for phase, value in enumerate(curve) if value is not None),
                           curve is strong) for curve in everything)
    ticks = [low, (low + high) / 2, high]
    digits = max(0, decimals([high - low]) - 1)
    names = labels or [str(phase + 1) for phase in range(phases)]
    main = strong or curves[0]
    which = f" (the first of {len(curves)} curves)" if len(curves) > 1 and not strong else ""
    values = ", ".join(f"{name} {text(value, digits)}"
                       for name, value in zip(names, main, strict=False) if value is not None)
    return Chart(title, f"{title}, after phase{which}: {values} {unit}".rstrip(), strokes,
                 tuple((round(y(tick), 1), text(tick, digits)) for tick in ticks),
                 tuple((round(x(phase), 1), name) for phase, name in enumerate(names)),
                 round(y(0.0), 1) if low < 0 < high else None)


def spark(values: Values) -> Spark | None:
    """A word-sized curve with its line at 0; None unless two values or more are known."""
    known = [value for value in values if value is not None]
    if len(known) < 2 or len(known) < len(values):
        return None
    low, high = min(0.0, *known), max(0.0, *known)
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return round(2 + (SPARK_HEIGHT - 4) * (high - value) / span, 1)

    step = (SPARK_WIDTH - 6) / (len(known) - 1)
    points = tuple((round(3 + step * phase, 1), y(value)) for phase, value in enumerate(known))
    told = "after each phase: " + ", ".join(text(value, 1) for value in known)
    return Spark(Stroke(points, True), y(0.0), told)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From below to above all values, wide enough that small changes look small."""
    low, high = min(values), max(values)
    lacking = max(0.0, SMALLEST_RANGE * max(map(abs, values)) - (high - low))
    margin = max(0.06 * (high - low), lacking / 2) or 1.0
    return low - margin, high + margin
