"""What all plots share: figures measured in inches, and files that repeat byte by byte."""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmark.errors import RequestError
from benchmark.files import write_atomically
from benchmark.report.plots.means import title_of
from benchmark.report.plots.style import SETTINGS, TEXT_SIZE, TITLE_SIZE
from benchmark.report.runs.grid import Grid

MARGIN = 0.12
"""Inches left free around a figure's text."""


class NotDrawn(UserWarning):
    """Runs that a plot cannot be drawn of, and why, where others can."""


class Sheet:
    """A figure with a title and, below it, what it shows; panels are placed in inches."""

    def __init__(self, title: str, about: str, width: float, height: float) -> None:
        self.width = max(width, 4.0)
        titles, lines = _wrapped(title, self.width, TITLE_SIZE), _wrapped(about, self.width,
                                                                         TEXT_SIZE)
        above = _inches(len(titles), TITLE_SIZE)
        self.head = MARGIN + above + _inches(len(lines), TEXT_SIZE) + MARGIN
        self.height = self.head + height
        self.figure = Figure(figsize=(self.width, self.height))
        FigureCanvasAgg(self.figure)
        for text, top, size in ((titles, 0.0, TITLE_SIZE), (lines, above, TEXT_SIZE)):
            self.figure.text(MARGIN / self.width, 1 - (MARGIN + top) / self.height,
                             "\n".join(text), va="top", fontsize=size)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes whose upper left corner lies `left` from the edge and `top` below the head."""
        axes: Axes = self.figure.add_axes(
            (left / self.width, 1 - (self.head + top + height) / self.height,
             width / self.width, height / self.height))
        return axes


def write(kind: str, grids: Iterable[Grid], figure: Callable[[Grid], Figure],
          to: Path) -> list[Path]:
    """Write `<kind>_<title of the grid>.png` and `.pdf` below `to`; the files.

    A grid that has no finished run, or that `figure` refuses with a `RequestError`, is left out
    with a `NotDrawn` warning; the error is raised when nothing can be drawn.
    """
    figures: dict[str, Figure] = {}
    refusals: list[RequestError] = []
    for grid in grids:
        try:
            if not any(line.runs for line in grid.lines):
                raise RequestError(f"{title_of(grid)}: no finished run")
            with rc_context(SETTINGS):
                figures[_free(f"{kind}_{title_of(grid)}", figures)] = figure(grid)
        except RequestError as error:
            refusals.append(error)
    if refusals and not figures:
        raise refusals[0]
    for refusal in refusals:
        warnings.warn(str(refusal), NotDrawn, stacklevel=2)
    return [_save(each, to / f"{name}.{suffix}") for name, each in figures.items()
            for suffix in ("png", "pdf")]


def text_inches(text: str, size: float = TEXT_SIZE) -> float:
    """About how wide a line of text is, to leave room for it before it is drawn."""
    return len(text) * size * 0.56 / 72


def _wrapped(text: str, inches: float, size: float) -> list[str]:
    wide = max(20, int((inches - 2 * MARGIN) / text_inches("n", size)))
    return textwrap.wrap(text, wide)


def _inches(lines: int, size: float) -> float:
    return lines * size * 1.35 / 72


def _free(title: str, used: Iterable[str]) -> str:
    """`title` as a file name that is not in `used`."""
    plain = re.sub(r"[^A-Za-z0-9.=_-]+", "_", title).strip("_")
    name, count = plain, 1
    while name in used:
        count += 1
        name = f"{plain}-{count}"
    return name


def _save(figure: Figure, file: Path) -> Path:
    suffix = file.suffix[1:]
    # No date inside: the same records draw the same bytes.
    about = {"CreationDate": None} if suffix == "pdf" else {"Software": None}

    def save(path: Path) -> None:
        with rc_context(SETTINGS):
            figure.savefig(path, format=suffix, metadata=about)

    write_atomically(file, save)
    return file
