"""Plots with one row per method or task, named at the left, the first at the top."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from benchmark.report.plots.drawing import Sheet, text_inches
from benchmark.report.plots.means import Mean

ROW = 0.2
"""Inches from one row to the next."""


def names_width(names: Sequence[str]) -> float:
    """Inches that names left of the axes need."""
    return max(map(text_inches, names)) + 0.2


def rows(sheet: Sheet, left: float, top: float, width: float, names: Sequence[str]) -> Axes:
    """Axes with a row for each of `names`: row i lies at y = i."""
    axes = sheet.axes(left, top, width, len(names) * ROW)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="both")
    return axes


def dot(axes: Axes, row: int, mean: Mean, colour: str, marker: str = "o") -> None:
    """A mean and its interval in a row."""
    axes.plot([mean.low, mean.high], [row, row], color=colour, alpha=0.45, linewidth=2.2,
              solid_capstyle="butt")
    axes.plot(mean.value, row, color=colour, marker=marker, linestyle="none", clip_on=False)
