"""`tradeoff`: what a gain costs: bytes carried between phases, and training time."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmark.report.plots.drawing import Sheet, write
from benchmark.report.plots.means import (
    REFERENCE,
    Mean,
    deltas,
    mean_of,
    mean_score,
    over_runs,
    title_of,
)
from benchmark.report.plots.points import Point, height_of, name, points_of, scatter
from benchmark.report.plots.style import FAINT, GREY
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.costs import costs
from benchmark.report.runs.grid import Grid, grids_of

WIDTH, HEIGHT = 4.4, 3.9


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path,
         baseline: str = REFERENCE) -> list[Path]:
    """One figure per family and recipe, two panels, one point per method in each.

    Raises `RequestError` for a pattern that no run matches and when the baseline, or finetune,
    whose time is the unit, has no run.
    """
    return write("tradeoff", grids_of(collection, sequences),
                 lambda grid: figure(grid, baseline), to)


def figure(grid: Grid, baseline: str = REFERENCE) -> Figure:
    """Delta against both costs. Raises `RequestError` as `draw` does."""
    gains = deltas(grid, baseline)
    panels = [(f"Δ over {baseline} (%) ↑", points_of(grid, carried(grid), gains)),
              ("", points_of(grid, relative_time(grid), gains))]
    height = max(height_of(points, HEIGHT) for _, points in panels)
    sheet = Sheet(f"{title_of(grid)}: what a gain costs",
                  f"{over_runs(grid, 'lines')} Bounds are grey. Times compare only runs that had "
                  "the same machine to themselves.", 2 * WIDTH + 1.75, height + 0.6)
    for index, (title, points) in enumerate(panels):
        axes = sheet.axes(0.75 + index * (WIDTH + 0.65), 0.1, WIDTH, height)
        axes.grid(axis="both")
        axes.set_ylabel(title)
        scatter(axes, points)
        axes.margins(x=0.1, y=0.08)
        (_bytes_axis, _time_axis)[index](axes, points)
        name(axes, points)
    return sheet.figure


def carried(grid: Grid) -> dict[str, Mean]:
    """MiB carried from phase to phase beyond the network, by label."""
    means = {line.label: mean_score({at: costs([found])["carried"][0]
                                     for at, found in line.runs.items()}) for line in grid.lines}
    return {label: mean for label, mean in means.items() if mean}


def relative_time(grid: Grid) -> dict[str, Mean]:
    """Training seconds over those of finetune in the same order and with the same seed."""
    unit = {at: costs([found])["train"][0].value
            for at, found in grid.baseline(REFERENCE).runs.items()}
    means = {line.label: mean_of({at: seconds / finetune for at, found in line.runs.items()
                                  if (seconds := costs([found])["train"][0].value) is not None
                                  and (finetune := unit.get(at))}) for line in grid.lines}
    return {label: mean for label, mean in means.items() if mean}


def _bytes_axis(axes: Axes, points: Sequence[Point]) -> None:
    """Logarithmic from the smallest decade with a method on; 0 has a place of its own."""
    axes.set_xlabel("carried from phase to phase (MiB)")
    some = [point.x.value for point in points if point.x.value > 0]
    if not some:
        return
    least, most = 10.0 ** floor(log10(min(some))), 4 * max(some)
    axes.set_xscale("symlog", linthresh=least, linscale=0.5)
    axes.set_xlim(-0.45 * least, most)
    axes.axvspan(-0.45 * least, 0.45 * least, color=FAINT, alpha=0.25, linewidth=0)
    steps = (1, 2, 5) if most < 1000 * least else (1,)
    axes.set_xticks([0, *(tick for decade in range(floor(log10(least)), ceil(log10(most)))
                          for step in steps if (tick := step * 10.0 ** decade) < most)])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _time_axis(axes: Axes, points: Sequence[Point]) -> None:
    axes.set_xlabel(f"training time, times that of {REFERENCE}")
    axes.axvline(1, color=GREY, linewidth=0.6)
    axes.set_xscale("log", base=2)
    axes.set_xlim(min([0.5, *(point.x.low for point in points)]) / 1.3,
                  max([2, *(point.x.high for point in points)]) * 1.3)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} x"))
    axes.xaxis.set_minor_locator(NullLocator())
