"""Curves over phases: one line per method, named where it ends, bounds dashed in grey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from benchmark.report.plots.drawing import text_inches
from benchmark.report.plots.means import REFERENCE, Mean, best_first, by_what, name_of
from benchmark.report.plots.style import (
    COLOURS,
    FAINT,
    GREY,
    REFERENCE_LOOK,
    TEXT_SIZE,
    Look,
    looks,
    spread,
)
from benchmark.report.runs.grid import Grid, RunKey
from benchmark.report.runs.lines import MethodRuns

MANY, SHOWN = 12, len(COLOURS)
"""Of more than `MANY` methods `SHOWN` are coloured and named; the others stay grey lines."""

LABEL_GAP = TEXT_SIZE * 1.15
"""Points between the names of two lines."""

Points = Mapping[int, Mean]
"""Phase, counted from 1 -> mean."""


@dataclass(frozen=True)
class Curve:
    """What one method contributes to a panel; a bound's last point is its level."""

    label: str
    name: str
    """The label as the reader sees it."""
    bound: bool
    points: Points


def coloured(grid: Grid) -> dict[str, Look]:
    """A look for each method to be told apart: all of them, or finetune and the best of many."""
    labels = best_first(grid)
    few = labels if len(labels) <= MANY else labels[:SHOWN]
    return looks([label for label in few if label != REFERENCE]) | {
        label: REFERENCE_LOOK for label in labels if label == REFERENCE}


def told(grid: Grid) -> str:
    """What is to be said of methods that are not named; nothing when all are."""
    styles = coloured(grid)
    others = [label for label in best_first(grid) if label not in styles]
    return (f" In colour: the first {SHOWN} methods {by_what(grid)}; grey: {', '.join(others)}."
            if others else "")


def curves_of(grid: Grid, points: Callable[[MethodRuns[RunKey]], Points]) -> list[Curve]:
    """A curve for each method of a grid that has runs."""
    return [Curve(line.label, name_of(grid, line), line.bound, points(line))
            for line in grid.lines if line.runs]


def widest(grid: Grid) -> float:
    """Inches that the longest of the names right of a panel needs, its leader line too."""
    styles = coloured(grid)
    return 0.25 + max(text_inches(name_of(grid, line)) for line in grid.lines
                      if line.bound or line.label in styles)


def height_of(grid: Grid, least: float) -> float:
    """Inches a panel needs so that the names beside it do not touch, `least` at least."""
    named = len(coloured(grid)) + sum(line.bound for line in grid.lines)
    return max(least, named * LABEL_GAP / 72)


def panel(axes: Axes, curves: Sequence[Curve], phases: int, styles: Mapping[str, Look]) -> None:
    """Draw curves and name them right of the axes; those without a look lie behind, unnamed."""
    axes.set_xlim(0.85, phases + 0.15)
    axes.set_xticks(range(1, phases + 1))
    ends: list[tuple[str, float, str]] = []
    for curve in curves:
        if not curve.points:
            continue
        end = curve.points[max(curve.points)].value
        if curve.bound:
            axes.axhline(end, color=GREY, linestyle=(0, (4, 3)), linewidth=0.9)
            ends.append((curve.name, end, GREY))
        elif look := styles.get(curve.label):
            _band(axes, curve.points, look)
            ends.append((curve.name, end, look.colour))
        else:
            axes.plot(list(curve.points), [mean.value for mean in curve.points.values()],
                      color=FAINT, linewidth=0.8, zorder=1.5, label=curve.label,
                      marker="." if len(curve.points) == 1 else None)
    axes.margins(y=0.08)
    _name_ends(axes, ends)


def _band(axes: Axes, points: Points, look: Look) -> None:
    phases, means = list(points), list(points.values())
    low, high = [mean.low for mean in means], [mean.high for mean in means]
    if len(points) > 1:
        axes.fill_between(phases, low, high, color=look.colour, alpha=0.15, linewidth=0)
    else:  # a band has no width over one phase
        axes.vlines(phases, low, high, color=look.colour, alpha=0.35, linewidth=2)
    axes.plot(phases, [mean.value for mean in means], color=look.colour, linestyle=look.dash,
              marker=look.marker, clip_on=False)


def _name_ends(axes: Axes, ends: Sequence[tuple[str, float, str]]) -> None:
    """Name every line right of the panel, moved apart where lines end close together."""
    if not ends:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=GREY)
        return
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    wide, room = (side / axes.figure.dpi * 72 for side in axes.bbox.size)  # points
    wanted = [(value - low) / (high - low) * room for _, value, _ in ends]
    heights = spread(wanted, LABEL_GAP, 2.0, room - 2)
    for (label, value, colour), height in zip(ends, heights, strict=True):
        axes.annotate(label, xy=(1, value), xycoords=("axes fraction", "data"),
                      xytext=(1 + 15 / wide, height / room),
                      textcoords="axes fraction", color=colour, va="center",
                      annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5,
                                  "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 1,
                                  "alpha": 0.6})
