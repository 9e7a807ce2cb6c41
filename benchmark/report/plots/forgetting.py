"""`forgetting`: how every metric moves as tasks are added."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.files import write_atomically
from benchmark.report.groups import Group, groups_of
from benchmark.report.lines import Line
from benchmark.report.names import METRIC_NAMES, heading
from benchmark.report.records import Collection
from benchmark.report.style import GREY, SETTINGS, TEXT_SIZE, Look, looks, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, LEAST_HEIGHT = 2.3, 1.75
"""Size of a panel's axes in inches; panels of many methods are higher, to fit their names."""

LABEL_GAP = TEXT_SIZE * 1.15
"""Points between the names of two lines."""


def draw(collection: Collection, sequences: Sequence[str] | None, to: Path) -> list[Path]:
    """Draw every metric of every task over the phases: one figure per group of comparable runs.

    A line is the mean over seeds, its band runs from the least to the largest seed; bounds are
    dashed. Writes `forgetting_<sequence>.png` and `.pdf` below `to` and returns the files.
    Raises `RequestError` for a pattern in `sequences` that no run matches.
    """
    groups = [group for group in groups_of(collection, sequences)
              if any(line.runs for line in group.lines)]
    used: set[str] = set()
    files: list[Path] = []
    for group in groups:
        files += _save(_figure(group), to, _file_name(group, used))
    return files


def _file_name(group: Group, used: set[str]) -> str:
    plain = re.sub(r"[^A-Za-z0-9.=_-]+", "_", group.title).strip("_")
    name = next(candidate for count in range(1, len(used) + 2)
                if (candidate := f"forgetting_{plain}" + (f"-{count}" if count > 1 else ""))
                not in used)
    used.add(name)
    return name


def _save(figure: Figure, to: Path, name: str) -> list[Path]:
    from matplotlib import rc_context

    files = []
    for suffix in ("png", "pdf"):
        file = to / f"{name}.{suffix}"
        # No date inside: the same records draw the same bytes.
        metadata = {"CreationDate": None} if suffix == "pdf" else {"Software": None}

        def write(path: Path, kind: str = suffix, about: dict[str, None] = metadata) -> None:
            with rc_context(SETTINGS):
                figure.savefig(path, format=kind, metadata=about)

        write_atomically(file, write)
        files.append(file)
    return files


def _figure(group: Group) -> Figure:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tasks = group.record.tasks
    columns = max(len(task.metrics) for task in tasks)
    shown = [line for line in group.lines if line.runs]
    styles = looks([line.label for line in shown if not line.bound])
    # Space for the labels right of each panel, from the longest of them.
    label = max(len(line.label) for line in shown) * TEXT_SIZE * 0.55 / 72 + 0.25
    height = max(LEAST_HEIGHT, len(shown) * LABEL_GAP / 72)
    left, wide, high = 0.5, WIDTH + label + 0.5, height + 0.65
    title = _title(group, columns * wide)
    top = 0.7 + 0.18 * title.count("\n")
    size = (left + columns * wide, top + len(tasks) * high)
    with rc_context(SETTINGS):
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        figure.text(0.12 / size[0], 1 - 0.12 / size[1], title, va="top", fontsize=9)
        for row, task in enumerate(tasks):
            for column, metric in enumerate(task.metrics):
                bottom = size[1] - top - row * high - height
                axes = figure.add_axes(((left + column * wide) / size[0], bottom / size[1],
                                        WIDTH / size[0], height / size[1]))
                name = f"{task.name} {METRIC_NAMES.get(metric.name, metric.name)}"
                axes.set_title(heading(name, metric.unit, metric.higher_is_better))
                _panel(axes, shown, task.name, metric.name, len(tasks), styles)
                if all(len(below.metrics) <= column for below in tasks[row + 1:]):
                    axes.set_xlabel("after phase")
    return figure


def _title(group: Group, inches: float) -> str:
    order = ", ".join(f"{phase} {task.name}" for phase, task in enumerate(group.record.tasks, 1))
    seeds = len(group.seeds)
    text = (f"{group.title}   phases: {order}   "
            + (f"{seeds} seeds: mean, least to largest" if seeds > 1 else "1 seed"))
    return "\n".join(textwrap.wrap(text, max(30, int(inches * 13))))


def _panel(axes: Axes, lines: Sequence[Line[int]], task: str, metric: str, phases: int,
           styles: dict[str, Look]) -> None:
    axes.set_xlim(0.85, phases + 0.15)
    axes.set_xticks(range(1, phases + 1))
    ends: list[tuple[str, float, str]] = []
    for line in lines:
        rows = [found.record.matrix[task][metric] for found in line.runs.values()]
        points = _over_seeds(rows)
        if not points:
            continue
        if line.bound:
            axes.axhline(points[-1][1], color=GREY, linestyle=(0, (4, 3)), linewidth=0.9)
            ends.append((line.label, points[-1][1], GREY))
        else:
            _line(axes, points, styles[line.label])
            ends.append((line.label, points[-1][1], styles[line.label].colour))
    axes.margins(y=0.08)
    _label_ends(axes, ends)


def _over_seeds(rows: Sequence[Sequence[float | None]]) -> list[tuple[int, float, float, float]]:
    """(phase, mean, least, largest) wherever some seed has a value."""
    points = []
    for phase, values in enumerate(zip(*rows, strict=True), start=1):
        known = [value for value in values if value is not None]
        if known:
            points.append((phase, sum(known) / len(known), min(known), max(known)))
    return points


def _line(axes: Axes, points: Sequence[tuple[int, float, float, float]], look: Look) -> None:
    phases, means, least, largest = zip(*points, strict=True)
    if len(points) > 1:
        axes.fill_between(phases, least, largest, color=look.colour, alpha=0.15, linewidth=0)
    else:  # a band has no width over one phase
        axes.vlines(phases, least, largest, color=look.colour, alpha=0.35, linewidth=2)
    axes.plot(phases, means, color=look.colour, linestyle=look.dash, marker=look.marker,
              clip_on=False)


def _label_ends(axes: Axes, ends: Sequence[tuple[str, float, str]]) -> None:
    """Name every line right of the panel, moved apart where lines end close together."""
    if not ends:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=GREY)
        return
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    room = axes.bbox.height / axes.figure.dpi * 72  # points
    wanted = [(value - low) / (high - low) * room for _, value, _ in ends]
    heights = spread(wanted, LABEL_GAP, 2.0, room - 2)
    for (label, value, colour), height in zip(ends, heights, strict=True):
        axes.annotate(label, xy=(1, value), xycoords=("axes fraction", "data"),
                      xytext=(1 + 15 / (WIDTH * 72), height / room),
                      textcoords="axes fraction", color=colour, va="center",
                      annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5,
                                  "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 1,
                                  "alpha": 0.6})
