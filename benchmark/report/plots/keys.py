"""Keys to the colours of pictures: what each kind of task's colours mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from benchmark.report.plots.drawing import Sheet, text_inches
from benchmark.tasks import Task
from benchmark.tasks.appearance import coloured, palette, value_range

ROW = 0.17
"""Inches of a line of a key."""
_BALL = 0.5
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
    valid = task.valid(truth)
    if task.kind == "segmentation":
        found = np.unique(np.concatenate([truth[valid], *(each.ravel() for each in shown)]))
        return Patches(task, tuple(found.tolist()))
    if task.kind == "direction":
        return Ball(task)
    if task.kind == "binary":
        return Bar("probability", (0.0, 1.0))
    if task.channels == 3:
        low, high = value_range(truth, valid)
        return Words(f"red, green and blue: channels from {low:.3g} to {high:.3g} "
                     f"{task.unit}".rstrip())
    mean = f"mean of {task.channels} channels" if task.channels > 1 else task.name
    return Bar(f"{mean} ({task.unit})" if task.unit else mean,
               value_range(truth, valid))


@dataclass(frozen=True)
class Patches:
    """A patch and a name for each class that occurs; the number of a class without a name."""

    task: Task
    classes: tuple[int, ...]

    @property
    def names(self) -> list[str]:
        """The names shown, in the order of the classes."""
        return [self.task.classes[k] if self.task.classes else str(k) for k in self.classes]

    def _per_row(self, width: float) -> tuple[int, float]:
        each = 0.3 + max(map(text_inches, self.names), default=0.0)
        return max(1, int(width / each)), each

    def height(self, width: float) -> float:
        per_row, _ = self._per_row(width)
        return ROW * -(-len(self.classes) // per_row)

    def draw(self, sheet: Sheet, left: float, top: float, width: float) -> None:
        per_row, each = self._per_row(width)
        colours = palette(self.task.channels)
        axes = inches(sheet, left, top, width, self.height(width))
        for index, (k, name) in enumerate(zip(self.classes, self.names, strict=True)):
            row, column = divmod(index, per_row)
            picture(axes, colours[k][None, None], column * each, row * ROW + 0.03, 0.14, 0.11)
            axes.text(column * each + 0.18, row * ROW + 0.09, name, va="center")


@dataclass(frozen=True)
class Bar:
    """A colour bar with what it measures."""

    label: str
    limits: tuple[float, float]

    def height(self, width: float) -> float:
        return 2 * ROW

    def draw(self, sheet: Sheet, left: float, top: float, width: float) -> None:
        axes = sheet.axes(left + 0.1, top + 0.03, _BAR, 0.1)
        low, high = self.limits
        high = high if high > low else low + 1
        axes.imshow(np.linspace(0, 1, 256)[None], cmap="viridis", aspect="auto",
                    extent=(low, high, 0, 1))
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=4)
        axes.grid(False)
        axes.text(1.06, 0.45, self.label, transform=axes.transAxes, va="center")


@dataclass(frozen=True)
class Ball:
    """A ball seen from the camera: the colour of a surface that faces each way."""

    task: Task

    def height(self, width: float) -> float:
        return _BALL

    def draw(self, sheet: Sheet, left: float, top: float, width: float) -> None:
        axes = inches(sheet, left, top, width, _BALL)
        across, down = np.meshgrid(*[np.linspace(-1, 1, 101)] * 2)
        depth = 1 - across**2 - down**2
        facing = np.stack([across, down, -np.sqrt(depth.clip(0))])[None]
        ball = coloured(self.task, facing, np.ones((1, 101, 101), bool))[0][0]
        ball[depth < 0] = 255
        picture(axes, ball, 0, 0, _BALL, _BALL)
        axes.text(_BALL + 0.06, _BALL / 2, "a ball seen from the camera", va="center")


@dataclass(frozen=True)
class Words:
    """A sentence."""

    text: str

    def height(self, width: float) -> float:
        return ROW

    def draw(self, sheet: Sheet, left: float, top: float, width: float) -> None:
        inches(sheet, left, top, width, ROW).text(0, ROW / 2, self.text, va="center")
