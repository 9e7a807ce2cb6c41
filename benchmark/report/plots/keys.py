"""Keys to the colours of pictures: what each kind of task's colours mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from benchmark.report.plots.drawing import Sheet, text_inches
from benchmark.tasks import Task
from benchmark.tasks.appearance import (
    ClassLegend,
    ColourBar,
    PictureKey,
    Sentence,
    colour_key,
)

ROW = 0.17
"""Inches of a line of a key."""
_SQUARE = 0.5
_BAR = 1.6


def inches(sheet: Sheet, left: float, top: float, width: float, height: float) -> Axes:
    """A frameless part of a sheet whose coordinates are inches from its upper left corner."""
    axes = sheet.axes(left, top, width, height)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def picture(axes: Axes, pixels: NDArray[Any], left: float, top: float, width: float,
            height: float) -> None:
    """Put pixels [H, W, 3] on what `inches` returned."""
    axes.imshow(pixels, interpolation="nearest", aspect="auto",
                extent=(left, left + width, top + height, top))


class Key(Protocol):
    """Something drawn below pictures."""

    def height(self, width: float) -> float:
        """Inches it needs when it may be `width` wide."""

    def draw(self, sheet: Sheet, left: float, top: float, width: float) -> None:
        """Draw it with its upper left corner there."""


def key_of(task: Task, truth: NDArray[Any], *shown: NDArray[Any]) -> Key:
    """The key of pictures that `coloured` makes of a truth and of what was predicted."""
    match colour_key(task, truth, *shown):
        case ClassLegend() as legend:
            return Patches(legend)
        case ColourBar() as bar:
            return Bar(bar)
        case PictureKey() as explained:
            return Picture(explained)
        case Sentence(text):
            return Words(text)


@dataclass(frozen=True)
class Patches:
    """A patch and a name for each class that occurs."""

    legend: ClassLegend

    def _per_row(self, width: float) -> tuple[int, float]:
        each = 0.3 + max(map(text_inches, self.legend.names), default=0.0)
        return max(1, int(width / each)), each

    def height(self, width: float) -> float:
        per_row, _ = self._per_row(width)
        return ROW * -(-len(self.legend.names) // per_row)

    def draw(self, sheet: Sheet, left: float, top: float, width: float) -> None:
        per_row, each = self._per_row(width)
        axes = inches(sheet, left, top, width, self.height(width))
        colours = np.array(self.legend.colours, np.uint8)
        for index, name in enumerate(self.legend.names):
            row, column = divmod(index, per_row)
            picture(axes, colours[index][None, None], column * each, row * ROW + 0.03, 0.14, 0.11)
            axes.text(column * each + 0.18, row * ROW + 0.09, name, va="center")


@dataclass(frozen=True)
class Bar:
    """A colour bar with what it measures."""

    bar: ColourBar

    def height(self, width: float) -> float:
        return 2 * ROW

    def draw(self, sheet: Sheet, left: float, top: float, width: float) -> None:
        axes = sheet.axes(left + 0.1, top + 0.03, _BAR, 0.1)
        low, high = self.bar.limits
        high = high if high > low else low + 1
        axes.imshow(np.linspace(0, 1, 256)[None], cmap=self.bar.colour_map, aspect="auto",
                    extent=(low, high, 0, 1))
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=4)
        axes.grid(False)
        axes.text(1.06, 0.45, self.bar.label, transform=axes.transAxes, va="center")


@dataclass(frozen=True)
class Picture:
    """A square picture with what it shows."""

    key: PictureKey

    def height(self, width: float) -> float:
        return _SQUARE

    def draw(self, sheet: Sheet, left: float, top: float, width: float) -> None:
        axes = inches(sheet, left, top, width, _SQUARE)
        picture(axes, self.key.pixels, 0, 0, _SQUARE, _SQUARE)
        axes.text(_SQUARE + 0.06, _SQUARE / 2, self.key.caption, va="center")


@dataclass(frozen=True)
class Words:
    """A sentence."""

    text: str

    def height(self, width: float) -> float:
        return ROW

    def draw(self, sheet: Sheet, left: float, top: float, width: float) -> None:
        inches(sheet, left, top, width, ROW).text(0, ROW / 2, self.text, va="center")
