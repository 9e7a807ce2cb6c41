"""Scatter plots with one point per method, named beside it, bounds in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import cos, pi, sin
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox, BboxBase

from benchmark.report.plots.means import REFERENCE, Mean, best_first, name_of
from benchmark.report.plots.style import GREY, REFERENCE_LOOK, Look, looks
from benchmark.report.runs.grid import Grid

BOUND_LOOK = Look(GREY, "s", "--")
DISTANCES = (7, 13, 20, 28, 38, 50, 64)
"""Points that a name may lie away from what it names."""
DIRECTIONS = [angle * pi / 6 for angle in (0, 6, 1, 11, 5, 7, 2, 10, 4, 8, 3, 9)]
"""Where a name is put first: right of its point, left, then turning away from both."""
SIDES: dict[int, Literal["left", "center", "right"]] = {-1: "right", 0: "center", 1: "left"}
"""How a text is aligned on the left of its point, above or below it, and on the right."""


@dataclass(frozen=True)
class Point:
    """One method: two means and how it looks."""

    name: str
    x: Mean
    y: Mean
    look: Look


def points_of(grid: Grid, x: Mapping[str, Mean], y: Mapping[str, Mean]) -> list[Point]:
    """The methods, by label, of which both means are known."""
    styles = looks([label for label in best_first(grid) if label != REFERENCE])
    styles[REFERENCE] = REFERENCE_LOOK
    return [Point(name_of(grid, line), x[line.label], y[line.label],
                  BOUND_LOOK if line.bound else styles[line.label])
            for line in grid.lines if line.label in x and line.label in y]


def height_of(points: Sequence[Point], least: float) -> float:
    """Inches that let most names stand beside their points; `least` at least."""
    return max(least, 0.19 * len(points))


def scatter(axes: Axes, points: Sequence[Point]) -> None:
    """Draw points with their intervals; `name` them once the limits of the axes are set."""
    for point in points:
        colour = point.look.colour
        axes.plot([point.x.low, point.x.high], [point.y.value] * 2, color=colour, alpha=0.45,
                  linewidth=1)
        axes.plot([point.x.value] * 2, [point.y.low, point.y.high], color=colour, alpha=0.45,
                  linewidth=1)
        axes.plot(point.x.value, point.y.value, color=colour, marker=point.look.marker,
                  linestyle="none", markersize=5, label=point.name, clip_on=False,
                  fillstyle="none" if point.look is BOUND_LOOK else "full")


def name(axes: Axes, points: Sequence[Point]) -> None:
    """Write every name beside its point, where it covers no point, line or other name.

    Names keep within the axes. Where there is no free place the least covered one is taken.
    """
    axes.set_xlim(axes.get_xlim())
    axes.set_ylim(axes.get_ylim())
    pixels = axes.figure.dpi / 72
    where = axes.transData.transform
    at = [tuple(where((point.x.value, point.y.value))) for point in points]
    marks = [Bbox.from_bounds(x - 4 * pixels, y - 4 * pixels, 8 * pixels, 8 * pixels)
             for x, y in at]
    taken = [line.get_path().get_extents(line.get_transform()).padded(pixels / 2)
             for line in axes.lines]
    for index in sorted(range(len(points)), key=lambda index: -at[index][1]):
        point = points[index]
        note = axes.annotate(point.name, (point.x.value, point.y.value), (0, 0),
                             textcoords="offset points", color=point.look.colour,
                             va="center", annotation_clip=False,
                             arrowprops={"arrowstyle": "-", "linewidth": 0.5, "alpha": 0.6,
                                         "color": point.look.colour, "shrinkA": 0, "shrinkB": 3})
        others = marks[:index] + marks[index + 1:]
        box, side, offset, distance = _place(note, at[index], pixels, [*taken, *others], axes.bbox)
        note.set_horizontalalignment(SIDES[side])
        note.set_position(offset)
        if note.arrow_patch and distance == DISTANCES[0]:
            note.arrow_patch.set_visible(False)  # nothing lies between the two
        taken.append(box.padded(1.5 * pixels))


def _place(note: Annotation, at: Sequence[float], pixels: float, taken: Sequence[BboxBase],
           frame: BboxBase) -> tuple[Bbox, int, tuple[float, float], float]:
    """The first place that covers nothing, else the one that covers least.

    Returns its box in pixels, on which side of `at` it lies, and the offset and distance of the
    end of the text next to `at`, in points.
    """
    extent = note.get_window_extent()
    wide, high = extent.width, extent.height
    best: tuple[Bbox, int, tuple[float, float], float] = (extent, 0, (0.0, 0.0), 0.0)
    least = float("inf")
    for distance, angle in product(DISTANCES, DIRECTIONS):
        side, level = _sign(cos(angle)), _sign(sin(angle))
        across, up = distance * cos(angle), distance * sin(angle) + level * high / 2 / pixels
        box = Bbox.from_bounds(at[0] + across * pixels + wide * (side - 1) / 2,
                               at[1] + up * pixels - high / 2, wide, high)
        covered = sum(_shared(box, other) for other in taken) + wide * high - _shared(box, frame)
        if covered < least - 1e-6:
            least, best = covered, (box, side, (across, up), distance)
        if covered <= 1e-6:
            break
    return best


def _sign(share: float) -> int:
    return 0 if abs(share) < 1e-6 else 1 if share > 0 else -1


def _shared(box: Bbox, other: BboxBase) -> float:
    """The area two boxes share, in square pixels."""
    wide = min(box.x1, other.x1) - max(box.x0, other.x0)
    high = min(box.y1, other.y1) - max(box.y0, other.y0)
    return wide * high if wide > 0 and high > 0 else 0.0
