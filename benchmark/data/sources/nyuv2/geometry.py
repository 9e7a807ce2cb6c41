"""Surface normals from a depth map, by fitting a plane around every pixel.

The camera is the RGB camera of NYUv2 as the data set's toolbox gives it (`camera_params.m`;
`rgb_plane2rgb_world.m` counts pixels from 1 there).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Window = tuple[int, int, int, int]
"""First row, row after the last, first column, column after the last."""
MTAN_WINDOW: Window = (53, 467, 44, 596)
"""What MTAN's copy shows of the 480 x 640 frames: 3:4, inside their white borders."""

_REACH = 2
"""Neighbours to either side, for a grid of 5 x 5."""
_SAME_SURFACE = 0.05
"""Neighbours whose depth differs by a larger share of it belong to another surface."""
_FEWEST = 6
"""Neighbours a fit needs."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in pixels; centres of pixels are whole numbers, the first is 0."""

    fx: float
    fy: float
    cx: float
    cy: float

    def seeing(self, window: Window, size: tuple[int, int]) -> Camera:
        """The camera whose image is this one's cut to `window` and resized to (height, width)."""
        top, bottom, left, right = window
        down, across = size[0] / (bottom - top), size[1] / (right - left)
        return Camera(self.fx * across, self.fy * down,
                      (self.cx - left + 0.5) * across - 0.5, (self.cy - top + 0.5) * down - 0.5)


RGB_CAMERA = Camera(518.857901, 519.469611, 325.582449 - 1, 253.736166 - 1)
"""Of the 480 x 640 frames."""


def normals_from_depth(depth: NDArray[Any], camera: Camera, step: int = 4,
                       ) -> NDArray[np.float32]:
    """Unit normals [3, H, W] (x right, y down, z away) of depths [H, W] in metres.

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
