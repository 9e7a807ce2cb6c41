"""The frame in which the normals of NYUv2 are stored, and a check of it against the depth.

Eigen's PNG files and the arrays made from them (MTAN) hold x right, z away, y UP, in this order:
the order in which EPFL-VILAB/omnidata reads the PNG files, and the one that agrees with normals
computed from the depth; see docs/datasets/nyuv2.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats.reading import Reading
from benchmark.data.sources.nyuv2.classes import DEPTH, NORMAL
from benchmark.data.sources.nyuv2.geometry import Camera, normals_from_depth

Axes = tuple[int, int, int]
"""One number for each of x, y and z."""

ORDER: Axes = (0, 2, 1)
"""Stored channels that are x, y and z of the frame x right, y down, z away."""

_UP_TO_DOWN: Axes = (1, -1, 1)
_SIGNS: list[Axes] = [(x, y, z) for x in (1, -1) for y in (1, -1) for z in (1, -1)]
_IMAGES_COMPARED = 8
_CLEARLY = 0.1


def signs(chosen: Axes) -> Axes:
    """Signs of the stored channels in `ORDER`, when the option normal_axes is `chosen`."""
    x, y, z = (a * b for a, b in zip(_UP_TO_DOWN, chosen, strict=True))
    return x, y, z


def agreement(depth: NDArray[Any], normals: NDArray[Any], camera: Camera) -> dict[Axes, float]:
    """How well normals [3, H, W] (zero: invalid) fit the depth [H, W] with each choice of signs.

    The mean cosine to the normals computed from the depth, over the pixels that have both; NaN
    when there are none.
    """
    computed = normals_from_depth(depth, camera)
    both = computed.any(axis=0) & normals.any(axis=0)
    products = (computed * normals)[:, both].astype(np.float64)
    mean = products.mean(axis=1) if both.any() else np.full(3, np.nan)
    return {axes: float(mean @ axes) for axes in _SIGNS}


def note_on_axes(reading: Reading, camera: Camera, chosen: Axes) -> Iterator[str]:
    """A note when other signs than those `chosen` fit the depth clearly better, on the first 8
    training images; none for a reading without depth or normals."""
    if DEPTH not in reading.tasks or NORMAL not in reading.tasks:
        return
    first = reading.read("train", reading.units("train")[0])
    each = [agreement(targets[DEPTH.name][0], targets[NORMAL.name], camera)
            for targets in islice(first, _IMAGES_COMPARED)]
    usable = [found for found in each if np.isfinite(found[1, 1, 1])]
    if not usable:
        return
    mean = {axes: float(np.mean([found[axes] for found in usable])) for axes in _SIGNS}
    best = max(mean, key=lambda axes: mean[axes])
    if mean[best] > mean[1, 1, 1] + _CLEARLY:
        better = [a * b for a, b in zip(chosen, best, strict=True)]
        yield (f"normal: the normals agree better with depth under normal_axes {better} "
               f"(mean cosine {mean[best]:.2f}, now {mean[1, 1, 1]:.2f})")
