"""`ranks`: mean ranks of methods, with the critical difference where the runs allow one."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, nan
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.errors import RequestError
from benchmark.report.plots.drawing import Sheet, text_inches, write
from benchmark.report.plots.means import REFERENCE, Mean, mean_of, title_of
from benchmark.report.plots.rows import ROW, dot, names_width, rows
from benchmark.report.plots.style import COLOURS
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid, RunKey, grids_of
from benchmark.statistics import ALPHA, Friedman, friedman

WIDTH = 4.2

Gains = dict[str, dict[RunKey, float]]
"""Label -> Delta of each run."""


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path,
         baseline: str = REFERENCE) -> list[Path]:
    """One figure per family and recipe; lifelong methods, ranked by Delta within each run.

    Raises `RequestError` for a pattern that no run matches, when the baseline has no run, and
    when there is no run that two methods or more share.
    """
    return write("ranks", grids_of(collection, sequences),
                 lambda grid: figure(grid, baseline), to)


def figure(grid: Grid, baseline: str = REFERENCE) -> Figure:
    """A critical-difference diagram, else mean ranks and why there is no critical difference."""
    scores = {line.label: grid.deltas(line, baseline) for line in grid.lines
              if line.runs and not line.bound}
    gains = {label: {at: score.value for at, score in each.items() if score.value is not None}
             for label, each in scores.items()}
    runs = [at for at in grid.cells if any(at in each for each in gains.values())]
    try:
        test = friedman({label: [each.get(at, nan) for at in runs]
                         for label, each in gains.items()})
    except RequestError as refusal:
        return _intervals(grid, baseline, gains, str(refusal))
    return _critical(grid, baseline, test)


def mean_ranks(gains: Gains) -> dict[str, Mean]:
    """Mean rank by label, best first, over the runs that every method has; 1 is best.

    Empty when there is no such run.
    """
    from scipy.stats import rankdata

    shared = set.intersection(*(set(each) for each in gains.values())) if gains else set()
    ranks: Gains = {label: {} for label in gains}
    for at in shared:
        for label, rank in zip(gains, rankdata([-each[at] for each in gains.values()]),
                               strict=True):
            ranks[label][at] = float(rank)
    means = {label: mean for label, each in ranks.items() if (mean := mean_of(each))}
    return dict(sorted(means.items(), key=lambda item: item[1].value))


def _intervals(grid: Grid, baseline: str, gains: Gains, refusal: str) -> Figure:
    means = mean_ranks(gains)
    if len(means) < 2:
        raise RequestError(f"{title_of(grid)}: no run that all methods share, so nothing is "
                           f"ranked: {refusal}; --methods leaves methods out")
    shared = len(set.intersection(*(set(each) for each in gains.values())))
    left = names_width(list(means))
    told = "; bars: 95 % bootstrap intervals over seeds" if len(grid.seeds) > 1 else ""
    sheet = Sheet(_title(grid), f"Rank of Δ over {baseline} among {len(means)} methods, mean over "
                  f"the {shared} of {len(grid.cells)} runs that all of them have{told}. "
                  f"No critical difference: {refusal}.",
                  left + WIDTH + 0.3, len(means) * ROW + 0.6)
    axes = rows(sheet, left, 0.05, WIDTH, list(means))
    for row, mean in enumerate(means.values()):
        dot(axes, row, mean, COLOURS[0])
    axes.set_xlim(1 - 0.02 * len(means), len(means) * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("mean rank (1 is best)")
    return sheet.figure


def _title(grid: Grid) -> str:
    return f"{title_of(grid)}: ranks of methods"


def _critical(grid: Grid, baseline: str, test: Friedman) -> Figure:
    """Names hang from an axis of ranks, the better half left; bars join what is not told apart."""
    names, half = list(test.ranks), ceil(len(test.ranks) / 2)
    verdict = "differ" if test.p <= ALPHA else "are not shown to differ"
    side, scale = max(text_inches(f"00.00 {name}") for name in names) + 0.2, 0.35
    bars = 0.09 * len(test.groups) + 0.12
    height = scale + bars + half * ROW
    sheet = Sheet(_title(grid), f"Rank of Δ over {baseline} within each of {len(grid.cells)} runs, "
                  f"1 is best. The methods {verdict} (Friedman, p = {test.p:.2g}); bars join "
                  f"those that ranks do not tell apart (Nemenyi, critical difference "
                  f"{test.critical_difference:.2f} at {ALPHA}).", 2 * side + WIDTH, height + 0.3)
    axes = sheet.axes(side, 0.1, WIDTH, height)
    axes.set_xlim(1, len(names))
    axes.set_ylim(height, 0)
    axes.axis("off")
    _scale(axes, len(names), scale)
    for number, group in enumerate(test.groups):
        ends = [test.ranks[group[0]], test.ranks[group[-1]]]
        axes.plot([ends[0] - 0.04, ends[1] + 0.04], [scale + 0.09 * (number + 1)] * 2,
                  color="black", linewidth=2.6, solid_capstyle="butt", clip_on=False)
    for place, (name, rank) in enumerate(test.ranks.items()):
        better = place < half
        depth = scale + bars + ROW * (place if better else len(names) - 1 - place)
        edge = 1.0 if better else float(len(names))
        axes.plot([rank, rank, edge], [scale, depth, depth], color=COLOURS[0], linewidth=0.8,
                  clip_on=False)
        axes.annotate(f"{name} {rank:.2f}" if better else f"{rank:.2f} {name}", (edge, depth),
                      (-4 if better else 4, 0), textcoords="offset points", va="center",
                      ha="right" if better else "left", annotation_clip=False)
    return sheet.figure


def _scale(axes: Axes, methods: int, depth: float) -> None:
    axes.plot([1, methods], [depth, depth], color="black", linewidth=0.8, clip_on=False)
    for rank in range(1, methods + 1):
        axes.plot([rank, rank], [depth - 0.05, depth], color="black", linewidth=0.8,
                  clip_on=False)
        if methods <= 15 or rank % 5 == 0 or rank == 1:
            axes.text(rank, depth - 0.08, str(rank), ha="center", va="bottom")
