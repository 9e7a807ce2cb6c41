"""Surface normals: computed from a depth map, and the frame in which NYUv2's are stored.

The camera is the RGB camera of NYUv2 as the data set's toolbox gives it (`camera_params.m`;
`rgb_plane2rgb_world.m` counts pixels from 1 there).

Eigen's PNG files and the arrays made from them (MTAN) hold x right, z away, y UP, in this order:
the order in which EPFL-VILAB/omnidata reads the PNG files, and the one that agrees with normals
computed from the depth; see docs/datasets/nyuv2.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats.reader import DatasetReader
from benchmark.data.sources.nyuv2.tasks import DEPTH, NORMAL

Window = tuple[int, int, int, int]
"""First row, row after the last, first column, column after the last."""
MTAN_WINDOW: Window = (53, 467, 44, 596)
"""The part of the 480 x 640 frames that MTAN's copy shows: 3:4, inside their white borders."""

_REACH = 2
"""Neighbours to either side, for a grid of 5 x 5."""
_SAME_SURFACE = 0.05
"""Largest relative difference in depth between neighbours on one surface."""
_FEWEST = 6
"""Fewest neighbours of a fit."""

Axes = tuple[int, int, int]
"""One number for each of x, y and z."""

ORDER: Axes = (0, 2, 1)
"""Stored channels that are x, y and z of the frame x right, y down, z away."""

_Y_UP_TO_DOWN: Axes = (1, -1, 1)
_SIGNS: list[Axes] = [(x, y, z) for x in (1, -1) for y in (1, -1) for z in (1, -1)]
_IMAGES_COMPARED = 8
_CLEAR_MARGIN = 0.1
"""Gain in mean cosine above which other signs are suggested."""


@dataclass(frozen=True)
class PinholeCamera:
    """A pinhole camera in pixels; centres of pixels are whole numbers, the first is 0."""

    fx: float
    fy: float
    cx: float
    cy: float

    def cropped(self, window: Window, size: tuple[int, int]) -> PinholeCamera:
        """Return the camera of the image cropped to `window` and resized to (height, width)."""
        top, bottom, left, right = window
        down, across = size[0] / (bottom - top), size[1] / (right - left)
        return PinholeCamera(self.fx * across, self.fy * down,
                      (self.cx - left + 0.5) * across - 0.5, (self.cy - top + 0.5) * down - 0.5)


RGB_CAMERA = PinholeCamera(518.857901, 519.469611, 325.582449 - 1, 253.736166 - 1)
"""The camera of the 480 x 640 frames."""


def normals_from_depth(depth: NDArray[Any], camera: PinholeCamera, step: int = 4,
                       ) -> NDArray[np.float32]:
    """Compute unit normals [3, H, W] (x right, y down, z away) of depths [H, W] in metres.

    They point towards the camera. Each is fitted to a grid of 5 x 5 pixels that are `step` apart:
    Kinect's noise needs the reach, not more pixels. Zero where the depth is invalid (not above 0
    or not finite), or fewer than 6 neighbours lie on the same surface, that is, have a depth
    within 5 % of the pixel's.

    On a plane the inverse depth is affine in the pixel's position, and its slopes are the normal:
    1 / Z = A x + B y + C with x = (column - cx) / fx and y = (row - cy) / fy.
    """
    valid = np.isfinite(depth) & (depth > 0)
    metres = np.where(valid, depth, 0.0)
    inverse = np.where(valid, 1.0 / np.where(valid, metres, 1.0), 0.0)
    a, b, c, fits = _slopes(metres, inverse, step)
    rows, columns = np.ogrid[:depth.shape[0], :depth.shape[1]]
    a, b = a * (camera.fx / step), b * (camera.fy / step)
    c -= a * ((columns - camera.cx) / camera.fx) + b * ((rows - camera.cy) / camera.fy)
    normals = np.stack([a, b, c])
    length = np.sqrt((normals ** 2).sum(axis=0))
    fits &= valid & (length > 0)
    return np.where(fits, normals / -np.where(fits, length, 1.0), 0.0).astype(np.float32)


def _slopes(metres: NDArray[Any], inverse: NDArray[Any], step: int) -> tuple[NDArray[Any], ...]:
    """Least squares around every pixel: inverse depth = a * column + b * row + c.

    Rows and columns are those of the grid around the pixel, so the sums over them are small whole
    numbers. Returns a, b, c and where the fit is determined.
    """
    height, width = metres.shape
    near = _SAME_SURFACE * metres
    margin = _REACH * step
    depths, inverses = np.pad(metres, margin), np.pad(inverse, margin)
    count, sx, sy, sxx, sxy, syy = (np.zeros(metres.shape, np.int16) for _ in range(6))
    sq, sxq, syq = (np.zeros(metres.shape) for _ in range(3))
    for row, column in product(range(-_REACH, _REACH + 1), repeat=2):
        top, left = margin + row * step, margin + column * step
        part = (slice(top, top + height), slice(left, left + width))
        same = np.abs(depths[part] - metres) <= near
        value = np.where(same, inverses[part], 0.0)
        one = same.view(np.int8)
        count += one
        sx += one * np.int16(column)
        sy += one * np.int16(row)
        sxx += one * np.int16(column * column)
        sxy += one * np.int16(column * row)
        syy += one * np.int16(row * row)
        sq += value
        sxq += value * column
        syq += value * row
    n = np.maximum(count, 1).astype(np.float64)
    vxx, vxy, vyy = sxx - sx / n * sx, sxy - sx / n * sy, syy - sy / n * sy
    vxq, vyq = sxq - sx / n * sq, syq - sy / n * sq
    determinant = vxx * vyy - vxy * vxy
    # n times the determinant is a whole number: the smallest that is not 0 is 1 / n.
    fits = (count > _FEWEST) & (determinant * n > 0.5)
    over = 1.0 / np.where(fits, determinant, 1.0)
    a, b = (vxq * vyy - vyq * vxy) * over, (vyq * vxx - vxq * vxy) * over
    return a, b, (sq - a * sx - b * sy) / n, fits


def signs(chosen: Axes) -> Axes:
    """Return the signs of the stored channels in `ORDER` under the option normal_axes `chosen`."""
    x, y, z = (a * b for a, b in zip(_Y_UP_TO_DOWN, chosen, strict=True))
    return x, y, z


def agreement(depth: NDArray[Any], normals: NDArray[Any],
              camera: PinholeCamera) -> dict[Axes, float]:
    """Compute how well normals [3, H, W] fit the depth [H, W], in metres, for all signs of axes.

    That is the mean cosine to the normals computed from the depth, over the pixels where neither
    is zero, which means invalid; NaN when there are none.
    """
    computed = normals_from_depth(depth, camera)
    both = computed.any(axis=0) & normals.any(axis=0)
    products = (computed * normals)[:, both].astype(np.float64)
    mean = products.mean(axis=1) if both.any() else np.full(3, np.nan)
    return {axes: float(mean @ axes) for axes in _SIGNS}


def note_on_axes(reader: DatasetReader, camera: PinholeCamera, chosen: Axes) -> Iterator[str]:
    """Note when other signs than `chosen` fit the depth clearly better.

    Compares the first 8 training images; notes nothing for a reader without depth or normals.
    """
    if DEPTH not in reader.tasks or NORMAL not in reader.tasks:
        return
    first = reader.read("train", reader.units("train")[0])
    each = [agreement(targets[DEPTH.name][0], targets[NORMAL.name], camera)
            for targets in islice(first, _IMAGES_COMPARED)]
    usable = [found for found in each if np.isfinite(found[1, 1, 1])]
    if not usable:
        return
    mean = {axes: float(np.mean([found[axes] for found in usable])) for axes in _SIGNS}
    best = max(mean, key=lambda axes: mean[axes])
    if mean[best] > mean[1, 1, 1] + _CLEAR_MARGIN:
        better = [a * b for a, b in zip(chosen, best, strict=True)]
        yield (f"normal: the normals agree better with depth under normal_axes {better} "
               f"(mean cosine {mean[best]:.2f}, now {mean[1, 1, 1]:.2f})")
