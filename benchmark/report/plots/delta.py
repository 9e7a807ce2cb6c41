"""`delta`: the mean gain over the baseline after every phase, of the tasks learnt by then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.report.plots.curves import (
    Points,
    coloured,
    curves_of,
    height_of,
    panel,
    told,
    widest,
)
from benchmark.report.plots.drawing import Sheet, write
from benchmark.report.plots.means import REFERENCE, mean_score, over_runs, title_of, undefined
from benchmark.report.plots.style import GREY
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid, RunKey, grids_of
from benchmark.report.runs.lines import MethodRuns
from benchmark.scores import delta_curve

WIDTH, LEAST_HEIGHT = 3.6, 2.6


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path,
         baseline: str = REFERENCE) -> list[Path]:
    """One figure per family and recipe: Delta^t for t = 1 to T, mean over orders and seeds.

    Raises `RequestError` for a pattern that no run matches and when the baseline has no run.
    """
    return write("delta", grids_of(collection, sequences),
                 lambda grid: figure(grid, baseline), to)


def figure(grid: Grid, baseline: str = REFERENCE) -> Figure:
    """One panel. Raises `RequestError` when there is no run of the baseline."""
    reference = grid.matrices(grid.baseline(baseline))

    def points(line: MethodRuns[RunKey]) -> Points:
        scores = {at: delta_curve(matrix, reference[at])
                  for at, matrix in grid.matrices(line).items() if at in reference}
        means = {phase: mean_score({at: curve[phase - 1] for at, curve in scores.items()})
                 for phase in range(1, phases + 1)}
        return {phase: mean for phase, mean in means.items() if mean}

    phases, height = len(grid.record.tasks), height_of(grid, LEAST_HEIGHT)
    curves = curves_of(grid, points)
    if not any(curve.points for curve in curves):
        raise undefined(grid, baseline)
    sheet = Sheet(f"{title_of(grid)}: gain over {baseline}, phase by phase",
                  f"Δ after phase t: of the tasks learnt by then, relative to what {baseline} ends "
                  f"with. {over_runs(grid, 'bands')} Dashed: bounds, after all phases."
                  f"{told(grid)}", 0.85 + WIDTH + widest(grid), height + 0.55)
    axes = sheet.axes(0.75, 0.1, WIDTH, height)
    axes.set_ylabel(f"Δ over {baseline} (%) ↑")
    axes.set_xlabel("after phase")
    axes.axhline(0, color=GREY, linewidth=0.6)
    panel(axes, curves, phases, coloured(grid))
    return sheet.figure
