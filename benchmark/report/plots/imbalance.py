"""`imbalance`: how unevenly what a network would teach falls on groups of pixels.

The groups are those HAD (Zhang et al., CVPR 2026) balances over: classes; for other maps the two
sides of delta = 0.5 on the channel mean, min-max scaled per image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.errors import RequestError
from benchmark.record import STATISTICS_FILE, Statistics, load_statistics
from benchmark.report.plots.data import FigureData
from benchmark.report.plots.figure import new_figure, text_width
from benchmark.report.plots.previewed import PreviewedRun, choice_text, previewed_runs
from benchmark.report.plots.style import COLOURS
from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of
from benchmark.tasks.metric_values import check, not_finite
from benchmark.tasks.registry import find_kind

HEIGHT = 1.1
"""Inches of a panel's axes."""


@dataclass(frozen=True)
class Shares:
    """What part of the pixels falls on each group, in percent."""

    groups: tuple[str, ...]
    percent: NDArray[np.float64]
    truth: NDArray[np.float64] | None
    """The same of the truth, where it is known."""

    @property
    def ratio(self) -> float:
        """The largest share over the smallest that is not zero; nan without any pixel."""
        some = self.percent[self.percent > 0]
        return float(some.max() / some.min()) if len(some) else float("nan")

    @property
    def ratio_text(self) -> str:
        """The ratio, and how many groups get nothing."""
        none = int((self.percent == 0).sum())
        if none == len(self.groups) - 1:
            return f"all in 1 of {len(self.groups)}"
        ratio = f"{self.ratio:,.0f}" if self.ratio >= 100 else f"{self.ratio:.3g}"
        return f"{ratio} : 1" + (f", {none} of {len(self.groups)} never" if none else "")


def imbalance(data: FigureData) -> Figure:
    """Bars from the largest group to the smallest: a row per run of one sequence, a panel per task.

    Raises `RequestError` as `previewed_runs` does, and for statistics that are damaged.
    """
    runs = previewed_runs(data)
    found = [[shares(run, task) for task in run.previews.tasks] for run in runs]
    widths = [max(1.3, 0.17 * len(each.groups)) for each in found[0]]
    names = max(text_width(group) for each in found[0] for group in each.groups)
    counts = sorted({len(run.previews.images) for run in runs})
    about = ("Share of the pixels predicted to be of each group after the last phase; above, the "
             "largest share to the smallest that occurs. Classes and binary maps: labelled pixels "
             "of all evaluation images, a tick is the truth's share; other maps: the first "
             f"{' or '.join(map(str, counts))} images, cut at half of each image's range. "
             f"{choice_text(data.grid, runs)}")
    figure = new_figure(f"{data.title}: imbalance of pseudo-labels", about,
                        sum(widths) + 0.5 * len(widths), len(runs) * (HEIGHT + names + 0.65))
    parts = figure.subfigures(len(runs), 1, squeeze=False).ravel()
    for part, run, row in zip(parts, runs, found, strict=True):
        part.suptitle(run.label, x=0, ha="left", fontweight="bold",
                      fontsize="medium")
        panels = part.subplots(1, len(row), width_ratios=widths, squeeze=False).ravel()
        panels[0].set_ylabel("% of pixels")
        for axes, task, each in zip(panels, run.previews.tasks, row, strict=True):
            axes.set_title(f"{task.name}\n{each.ratio_text}", fontsize="medium")
            _draw_bars(axes, each)
    return figure


def shares(run: PreviewedRun, task: Task) -> Shares:
    """What a run predicts of a task after its last phase, by group.

    Raises `RequestError` when the statistics of the run are missing or do not fit its task, and
    when predictions are not finite.
    """
    kind = find_kind(task.kind)
    names = kind.spec.group_names(task)
    counts = kind.metrics.group_counts(_sums(run, task)) if kind.spec.labels else None
    if counts is not None:
        return Shares(names, *map(_percent, counts))
    raw = torch.from_numpy(run.previews.raw[len(run.previews.tasks), task.name]).float()
    groups = kind_of(task).groups(raw).flatten()
    return Shares(names, _percent(np.bincount(groups, minlength=len(names))), None)


def _sums(run: PreviewedRun, task: Task) -> Statistics:
    """The statistics of a task after the last phase, summed over images."""
    last = len(run.previews.tasks)
    try:
        found = load_statistics(run.folder)[last, task.name]
        check(task, found)
    except (KeyError, ValueError) as error:
        raise RequestError(f"{run.folder / STATISTICS_FILE}: does not fit its run (phase {last}, "
                           f"{task.name}): {error}") from None
    if not_finite(found):
        raise RequestError(f"{run.folder.name}: predictions of {task.name} are not finite")
    return {name: values.sum(0) for name, values in found.items()}


def _percent(counts: NDArray[Any]) -> NDArray[np.float64]:
    percent: NDArray[np.float64] = 100 * counts / max(1, counts.sum())
    return percent


def _draw_bars(axes: Axes, found: Shares) -> None:
    order = np.argsort(-found.percent, kind="stable")
    positions = np.arange(len(order))
    axes.bar(positions, found.percent[order], color=COLOURS[0], width=0.8)
    if found.truth is not None:
        axes.hlines(found.truth[order], positions - 0.4, positions + 0.4, color="black",
                    linewidth=1.2)
    axes.set_xticks(positions, [found.groups[k] for k in order], rotation=90)
    axes.tick_params(axis="x", length=0, pad=2)
    axes.set_xlim(-0.6, len(order) - 0.4)
