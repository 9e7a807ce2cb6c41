"""Figures laid out by matplotlib under a heading, and files that repeat byte by byte."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Container
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from benchmark.files import digest, write_atomically, writing
from benchmark.report.plots.style import SETTINGS, TEXT_SIZE, TITLE_SIZE

NARROWEST = 4.0
"""Inches: narrower figures would break their titles into many lines."""
MARGIN = 0.12
"""Inches left free around the heading."""
LONGEST_NAME = 150
"""Letters of the name of a file."""


class NotDrawn(UserWarning):
    """Runs that a plot cannot be drawn of, and why, where others can."""


def new_figure(title: str, about: str, width: float, height: float, **spacing: float) -> Figure:
    """A figure headed by its title and `about`, what it shows; the constrained layout places
    panels below them.

    `width` and `height` are the inches left to the panels; the figure is not narrower than
    `NARROWEST`. `spacing` are parameters of the layout.
    """
    width = max(width, NARROWEST)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    heading = [figure.text(MARGIN / width, 0, wrapped(text, width - 2 * MARGIN, size),
                           va="top", fontsize=size)
               for text, size in ((title, TITLE_SIZE), (about, TEXT_SIZE))]
    heights = [text.get_window_extent().height / figure.dpi for text in heading]
    total = height + sum(heights) + 2.5 * MARGIN
    figure.set_figheight(total)
    for text, above in zip(heading, (MARGIN, 1.5 * MARGIN + heights[0]), strict=True):
        text.set_y(1 - above / total)
    side = 0.5 * MARGIN / width
    figure.set_layout_engine("constrained", rect=(side, 0, 1 - 2 * side, height / total),
                             **spacing)
    return figure


def lay_out(figure: Figure) -> None:
    """Place all panels for good, so that names can be put where the panels leave room."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def text_width(text: str, size: float = TEXT_SIZE) -> float:
    """Inches that a line of text takes."""
    return float(TextPath((0, 0), text, size=size).get_extents().width) / 72 if text else 0.0


def wrapped(text: str, width: float, size: float = TEXT_SIZE) -> str:
    """`text` in lines of at most `width` inches, or of eight letters."""
    letters = max(8, int(len(text) * width / max(text_width(text, size), 0.01)))
    lines = textwrap.wrap(text, letters)
    while letters > 8 and any(text_width(line, size) > width for line in lines):
        letters -= 1
        lines = textwrap.wrap(text, letters)
    return "\n".join(lines)


def file_name(title: str, used: Container[str]) -> str:
    """`title` as the name of a file that is not in `used`; a long one is cut, with a hash."""
    plain = re.sub(r"[^A-Za-z0-9.=_-]+", "_", title).strip("_")
    if len(plain) > LONGEST_NAME:
        plain = f"{plain[:LONGEST_NAME]}-{digest(title)[:8]}"
    name, count = plain, 1
    while name in used:
        count += 1
        name = f"{plain}-{count}"
    return name


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write `<name>.png` and `<name>.pdf` below `folder`; their paths."""
    return [_save(figure, folder / f"{name}.{suffix}") for suffix in ("png", "pdf")]


def save_cropped(figure: Figure, file: Path) -> None:
    """Write a PNG without the free space around what is drawn."""
    _save(figure, file, bbox_inches="tight", pad_inches=MARGIN / 2)


def _save(figure: Figure, file: Path, **how: Any) -> Path:
    suffix = file.suffix[1:]
    # No date inside: the same records draw the same bytes.
    about = {"CreationDate": None} if suffix == "pdf" else {"Software": None}

    def write(path: Path) -> None:
        with rc_context(SETTINGS):
            figure.savefig(path, format=suffix, metadata=about, **how)

    with writing(file):
        write_atomically(file, write)
    return file
