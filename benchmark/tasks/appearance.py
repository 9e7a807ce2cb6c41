"""Targets and predictions of every kind in colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks import Task

Pixels = NDArray[np.uint8]

GREY = 128
"""Invalid pixels."""
_TAB20_GREYS = 7
"""Pair of colours of matplotlib's tab20 that would be taken for invalid pixels."""
_DARKER = 0.6


def coloured(task: Task, truth: NDArray[Any], valid: NDArray[np.bool_],
             *others: NDArray[Any]) -> list[Pixels]:
    """Targets and further maps of the same task in the same colours, each uint8 [N, H, W, 3].

    truth is as `Task` defines targets, the others likewise; `valid` [N, H, W] says which pixels
    of the truth count. Regression maps share the range of the truth, probabilities that of 0 to 1.
    """
    maps = [np.asarray(each, np.float32) for each in (truth, *others)]
    if task.kind == "segmentation":
        shown = [palette(task.channels)[each.astype(int) % 256] for each in maps]
    elif task.kind == "direction":  # towards the camera is blue, as usual
        shown = [(127.5 - 127.5 * each * np.array([-1, 1, 1])[:, None, None]).transpose(0, 2, 3, 1)
                 for each in maps]
    else:
        shown = _ramps(maps, (0, 1) if task.kind == "binary" else value_range(truth, valid))
    pixels = [np.clip(np.nan_to_num(each), 0, 255).astype(np.uint8) for each in shown]
    pixels[0][~valid] = GREY
    return pixels


def value_range(truth: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[float, float]:
    """Least and largest valid value of maps [N, C, H, W] or [N, H, W]; (0, 1) without any."""
    known = truth[valid] if truth.ndim == 3 else truth.transpose(0, 2, 3, 1)[valid]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _ramps(maps: list[Any], limits: tuple[float, float]) -> list[Any]:
    """One channel through a colour map, three as colours."""
    from matplotlib import colormaps

    if maps[0].ndim == 3:
        maps = [each[:, None] for each in maps]
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
