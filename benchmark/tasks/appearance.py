"""Targets and predictions in colours, and the keys to those colours as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.registry import find_kind
from benchmark.tasks.task import Task

Pixels = NDArray[np.uint8]

GREY = 128
"""Invalid pixels."""
_TAB20_GREYS = 7
"""Pair of colours of matplotlib's tab20 that would be taken for invalid pixels."""
_DARKER = 0.6


@dataclass(frozen=True)
class ClassLegend:
    """Classes by name, each with its colour [3]."""

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class ColourBar:
    """The values a colour map stands for, with what they measure."""

    label: str
    limits: tuple[float, float]
    colour_map: str = "viridis"


@dataclass(frozen=True, eq=False)
class PictureKey:
    """A square picture that explains the colours, [H, H, 3], and what stands beside it."""

    pixels: Pixels
    caption: str


@dataclass(frozen=True)
class Sentence:
    """What the colours mean, in words."""

    text: str


ColourKey = ClassLegend | ColourBar | PictureKey | Sentence


class KindAppearance:
    """The colours of a kind; the defaults are those of maps.

    `truth` is [N, H, W] or [N, C, H, W] as `Task` defines targets, predictions likewise; `valid`
    [N, H, W] says which pixels of the truth count.
    """

    def limits(self, task: Task, truth: NDArray[Any],
               valid: NDArray[np.bool_]) -> tuple[float, float]:
        """The values at both ends of the colour map."""
        return value_range(truth, valid)

    def colours(self, task: Task, maps: Sequence[NDArray[np.float32]],
                limits: tuple[float, float]) -> list[NDArray[Any]]:
        """Each of several maps as colours from 0 to 255, [N, H, W, 3]."""
        return ramps(maps, limits)

    def key(self, task: Task, truth: NDArray[Any], *shown: NDArray[Any]) -> ColourKey:
        """What the colours of a truth and of what was predicted mean."""
        limits = self.limits(task, truth, task.valid(truth))
        if task.channels == 3:
            return Sentence("red, green and blue: channels from "
                            f"{range_text(limits, task.unit)}")
        mean = f"mean of {task.channels} channels" if task.channels > 1 else task.name
        return ColourBar(f"{mean} ({task.unit})" if task.unit else mean, limits)

    def caption(self, task: Task, truth: NDArray[Any], valid: NDArray[np.bool_]) -> str:
        """What stands above a picture of the truth, below its name; may be empty."""
        return range_text(self.limits(task, truth, valid), task.unit)


def coloured(task: Task, truth: NDArray[Any], valid: NDArray[np.bool_],
             *others: NDArray[Any]) -> list[Pixels]:
    """Targets and further maps of the same task in the same colours, each uint8 [N, H, W, 3].

    Arrays are as `KindAppearance` describes them; invalid pixels of the truth are grey.
    """
    appearance = find_kind(task.kind).appearance
    maps = [np.asarray(each, np.float32) for each in (truth, *others)]
    shown = appearance.colours(task, maps, appearance.limits(task, truth, valid))
    pixels = [np.clip(np.nan_to_num(each), 0, 255).astype(np.uint8) for each in shown]
    pixels[0][~valid] = GREY
    return pixels


def colour_key(task: Task, truth: NDArray[Any], *shown: NDArray[Any]) -> ColourKey:
    """The key to the colours that `coloured` gives a truth and what was predicted."""
    return find_kind(task.kind).appearance.key(task, truth, *shown)


def value_range(truth: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[float, float]:
    """Least and largest valid value of maps [N, C, H, W] or [N, H, W]; (0, 1) without any."""
    known = truth[valid] if truth.ndim == 3 else truth.transpose(0, 2, 3, 1)[valid]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def range_text(limits: tuple[float, float], unit: str) -> str:
    """`0.5 to 10 m`."""
    low, high = limits
    return f"{low:.3g} to {high:.3g} {unit}".rstrip()


def ramps(maps: Sequence[NDArray[np.float32]], limits: tuple[float, float]) -> list[NDArray[Any]]:
    """One channel through a colour map, three as colours, others by the mean of their channels."""
    from matplotlib import colormaps

    maps = [each[:, None] if each.ndim == 3 else each for each in maps]
    low, high = limits
    scaled = [np.nan_to_num((each - low) / max(high - low, 1e-9)).clip(0, 1) for each in maps]
    if maps[0].shape[1] == 3:
        return [255 * each.transpose(0, 2, 3, 1) for each in scaled]
    return [255 * colormaps["viridis"](each.mean(1))[..., :3] for each in scaled]


def palette(classes: int) -> Pixels:
    """A colour per label [256, 3], far apart for neighbouring classes; grey beyond the classes.

    From the 19th class on the colours come again, darker each time.
    """
    from matplotlib import colormaps

    chosen = [colormaps["tab20"](k)[:3] for k in range(20) if k // 2 != _TAB20_GREYS]
    colours = np.full((256, 3), GREY, np.uint8)
    for k in range(classes):
        light = _DARKER ** (k // len(chosen))
        colours[k] = np.multiply(chosen[k * 7 % len(chosen)], 255 * light)
    return colours
