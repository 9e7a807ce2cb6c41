"""Keys to the colours of pictures as plain data: what each kind of task's colours mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks import Task
from benchmark.tasks.appearance import Pixels, coloured, palette, value_range


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


def colour_key(task: Task, truth: NDArray[Any], *shown: NDArray[Any]) -> ColourKey:
    """The key to the colours that `coloured` gives a truth and what was predicted."""
    valid = task.valid(truth)
    if task.kind == "segmentation":
        found = np.unique(np.concatenate([truth[valid], *(each.ravel() for each in shown)]))
        red_green_blue = palette(task.channels)[found].tolist()
        return ClassLegend(tuple(task.classes[k] if task.classes else str(k) for k in found),
                           tuple((red, green, blue) for red, green, blue in red_green_blue))
    if task.kind == "direction":
        return _ball(task)
    if task.kind == "binary":
        return ColourBar("probability", (0.0, 1.0))
    if task.channels == 3:
        low, high = value_range(truth, valid)
        return Sentence(f"red, green and blue: channels from {low:.3g} to {high:.3g} "
                        f"{task.unit}".rstrip())
    mean = f"mean of {task.channels} channels" if task.channels > 1 else task.name
    return ColourBar(f"{mean} ({task.unit})" if task.unit else mean, value_range(truth, valid))


def _ball(task: Task) -> PictureKey:
    """The colour of a surface that faces each way."""
    across, down = np.meshgrid(*[np.linspace(-1, 1, 101)] * 2)
    depth = 1 - across**2 - down**2
    facing = np.stack([across, down, -np.sqrt(depth.clip(0))])[None]
    ball = coloured(task, facing, np.ones((1, 101, 101), bool))[0][0]
    ball[depth < 0] = 255
    return PictureKey(ball, "a ball seen from the camera")
