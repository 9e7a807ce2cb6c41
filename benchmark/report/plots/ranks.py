"""`ranks`: mean ranks of methods, with the critical difference where the runs allow one."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.errors import RequestError
from benchmark.report.plots.data import FigureData
from benchmark.report.plots.figure import new_figure, text_width
from benchmark.report.plots.rows import ROW, WIDTH, draw_mean, named_rows
from benchmark.report.plots.style import COLOURS
from benchmark.report.runs.summary import means_by
from benchmark.statistics import ALPHA, Friedman, friedman

if TYPE_CHECKING:
    import pandas as pd

BAR = 0.09
"""Inches from one bar of methods that are not told apart to the next."""


def ranks(data: FigureData) -> Figure:
    """A critical-difference diagram of lifelong methods, ranked by Delta within each run; else
    mean ranks and why there is no critical difference.

    Raises `RequestError` when the baseline has no run, and when there is no run that two methods
    or more share.
    """
    methods = [method.label for method in data.grid.lifelong if method.runs]
    gains = data.scores(["delta"]).pivot(index=["sequence", "seed"], columns="label",
                                         values="value").reindex(columns=methods)
    gains = gains[gains.notna().any(axis=1)]
    try:
        test = friedman({label: gains[label].tolist() for label in methods})
    except RequestError as refusal:
        return _intervals(data, gains, str(refusal))
    return _critical(data, test)


def mean_ranks(gains: pd.DataFrame) -> pd.DataFrame:
    """`label`, `mean`, `low` and `high` of ranks, best first, over the runs that every method has;
    1 is best. `gains` has a row per sequence and seed, and a column per method.

    Empty when there is no such run.
    """
    within = gains.dropna().rank(axis="columns", ascending=False)
    scores = within.melt(var_name="label", ignore_index=False).reset_index()
    return means_by(scores, ["label"]).sort_values("mean", kind="stable")


def _intervals(data: FigureData, gains: pd.DataFrame, refusal: str) -> Figure:
    means, shared = mean_ranks(gains), len(gains.dropna())
    if len(means) < 2:
        raise RequestError(f"{data.title}: no run that all methods share, so nothing is ranked: "
                           f"{refusal}; --methods leaves methods out")
    bars = "; bars: 95 % bootstrap intervals over seeds" if len(data.grid.seeds) > 1 else ""
    names = means["label"].tolist()
    figure = new_figure(f"{data.title}: ranks of methods",
                        f"Rank of Δ over {data.baseline} among {len(means)} methods, mean over the "
                        f"{shared} of {len(data.grid.keys)} runs that all of them have{bars}. No "
                        f"critical difference: {refusal}.",
                        WIDTH + max(map(text_width, names)), len(means) * ROW + 0.5)
    axes = figure.subplots()
    named_rows(axes, names)
    for row, mean in enumerate(means.itertuples()):
        draw_mean(axes, row, mean, COLOURS[0])
    axes.set_xlim(1 - 0.02 * len(means), len(means) * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("mean rank (1 is best)")
    return figure


def _critical(data: FigureData, test: Friedman) -> Figure:
    """Names hang from an axis of ranks, the better half left; bars join what is not told apart."""
    names, half = list(test.ranks), ceil(len(test.ranks) / 2)
    verdict = "differ" if test.p <= ALPHA else "are not shown to differ"
    bars = BAR * len(test.groups) + 0.12
    height = bars + half * ROW
    figure = new_figure(f"{data.title}: ranks of methods",
                        f"Rank of Δ over {data.baseline} within each of {len(data.grid.keys)} "
                        f"runs, 1 is best. The methods {verdict} (Friedman, p = {test.p:.2g}); "
                        "bars join those that ranks do not tell apart (Nemenyi, critical "
                        f"difference {test.critical_difference:.2f} at {ALPHA}).",
                        WIDTH + 2 * max(text_width(f"00.00 {name}") for name in names),
                        height + 0.5)
    axes = figure.subplots()
    axes.set_xlim(1, len(names))
    axes.set_ylim(height, 0)  # inches below the axis of ranks
    axes.xaxis.tick_top()
    axes.xaxis.set_major_locator(MaxNLocator(min(len(names), 15), integer=True))
    axes.spines[:].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.grid(visible=False)
    axes.set_yticks([])
    for number, group in enumerate(test.groups):
        ends = [test.ranks[group[0]], test.ranks[group[-1]]]
        axes.plot([ends[0] - 0.04, ends[1] + 0.04], [BAR * (number + 1)] * 2, color="black",
                  linewidth=2.6, solid_capstyle="butt", clip_on=False)
    for place, (name, rank) in enumerate(test.ranks.items()):
        better = place < half
        _hang(axes, f"{name} {rank:.2f}" if better else f"{rank:.2f} {name}", rank, better,
              bars + ROW * ((place if better else len(names) - 1 - place) + 0.5))
    return figure


def _hang(axes: Axes, text: str, rank: float, better: bool, depth: float) -> None:
    """Join a rank on the axis to its name `depth` below, at the left or the right."""
    edge = axes.get_xlim()[0 if better else 1]
    axes.plot([rank, rank, edge], [0, depth, depth], color=COLOURS[0], linewidth=0.8,
              clip_on=False)
    axes.annotate(text, (edge, depth), (-4 if better else 4, 0), textcoords="offset points",
                  va="center", ha="right" if better else "left", annotation_clip=False)
