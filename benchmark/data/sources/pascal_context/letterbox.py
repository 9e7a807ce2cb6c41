"""Images of many sizes in one: never distorted, never enlarged, the rest filled up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.data.formats.decode import Size


def fitted(size: Size, room: Size) -> Size:
    """The size an image takes in `room`: its own, or as large as fits, with its proportions."""
    if size[0] <= room[0] and size[1] <= room[1]:
        return size
    (height, width), (most, widest) = size, room
    if height * widest >= width * most:
        return most, _share(width, most, height)
    return _share(height, widest, width), widest


def _share(length: int, new: int, old: int) -> int:
    """`length` * `new` / `old`, rounded, at least 1."""
    return max(1, (2 * length * new + old) // (2 * old))


def place(array: NDArray[Any], room: Size, fill: ArrayLike) -> NDArray[Any]:
    """An array [..., h, w] in the upper left of [..., H, W], `fill` to its right and below it."""
    height, width = array.shape[-2:]
    placed = np.full((*array.shape[:-2], *room), fill, dtype=array.dtype)
    placed[..., :height, :width] = array
    return placed
