"""Sheets of pictures: blocks of rows and columns, each with a key to its colours below."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from benchmark.report.plots.drawing import Sheet, text_inches
from benchmark.report.plots.keys import ROW, Key, inches, picture
from benchmark.tasks.appearance import Pixels

WIDTH, GAP = 1.2, 0.06
"""Inches of a picture and between two of them."""
_LEFT = 0.15
_BELOW = 0.25
_LINE = 0.13
_LETTERS = int(WIDTH / text_inches("n"))


@dataclass(frozen=True)
class Block:
    """Pictures of one size under a heading."""

    heading: str
    columns: Mapping[str, Pixels | None]
    """By what stands above it, a column of pictures [N, H, W, 3]; None leaves it free."""
    key: Key | None = None

    @property
    def picture(self) -> float:
        """Inches of a picture's height."""
        _, high, wide, _ = self._some.shape
        return float(WIDTH * high / wide)

    @property
    def rows(self) -> int:
        """How many pictures stand below each other."""
        return len(self._some)

    @property
    def titles(self) -> list[str]:
        """What stands above the columns, in lines that fit them."""
        return ["\n".join(line for part in title.split("\n")
                          for line in textwrap.wrap(part, _LETTERS)) for title in self.columns]

    @property
    def head(self) -> float:
        """Inches of heading and titles."""
        return ROW * (1.3 + max(title.count("\n") + 1 for title in self.titles) * 0.9)

    @property
    def _some(self) -> Pixels:
        return next(column for column in self.columns.values() if column is not None)


def sheet(title: str, about: str, blocks: Sequence[Block]) -> Figure:
    """A figure of blocks below each other."""
    width = max(len(block.columns) for block in blocks) * (WIDTH + GAP)
    heights = [block.head + block.rows * (block.picture + GAP) + _BELOW
               + (block.key.height(width) if block.key else 0) for block in blocks]
    made = Sheet(title, about, width + 2 * _LEFT, sum(heights))
    top = 0.0
    for block, height in zip(blocks, heights, strict=True):
        _draw(made, block, top, width)
        top += height
    return made.figure


def _draw(made: Sheet, block: Block, top: float, width: float) -> None:
    bottom = block.head + block.rows * (block.picture + GAP)
    axes = inches(made, _LEFT, top, width, bottom)
    axes.text(0, ROW / 2, block.heading, fontweight="bold", va="center")
    for index, (title, column) in enumerate(zip(block.titles, block.columns.values(),
                                                strict=True)):
        left = index * (WIDTH + GAP)
        for row, pixels in enumerate(() if column is None else column):
            picture(axes, pixels, left, block.head + row * (block.picture + GAP), WIDTH,
                    block.picture)
        if column is not None:
            # Line by line: texts of several lines would not share a baseline.
            for above, line in enumerate(reversed(title.split("\n"))):
                axes.text(left, block.head - 0.06 - above * _LINE, line)
    if block.key:
        block.key.draw(made, _LEFT, top + bottom + 0.04, width)
