"""Small copies of Taskonomy in its official layout, filled with numbers that tests can compute."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TASKS = ("segment_semantic", "normal", "depth_euclidean", "depth_zbuffer", "edge_texture",
         "edge_occlusion", "keypoints2d", "keypoints3d", "reshading", "principal_curvature")
OFFICIAL = "{task}/{building}"
Views = Sequence[tuple[int, int]]


def pixels(task: str, building: str, point: int, view: int, size: tuple[int, int],
           ) -> NDArray[Any]:
    """The stored numbers of a file as PNG readers deliver them: [H, W] or [H, W, 3].

    Every third column or so has no surface: depth 65535, normal (128, 128, 128), curvature 0.
    """
    image = np.random.default_rng(zlib.crc32(f"{building} {point} {view}".encode()))
    holes = image.random(size) < 0.3
    numbers = np.random.default_rng(zlib.crc32(f"{task} {building} {point} {view}".encode()))
    if task == "segment_semantic":
        return numbers.integers(0, 18, size).astype(np.uint8)
    if task == "normal":
        vectors = numbers.normal(size=(*size, 3)) - (0, 0, 1.5)
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        return np.where(holes[..., None], 128, np.rint(127.5 + 127.5 * vectors)).astype(np.uint8)
    if task == "reshading":
        return np.repeat(numbers.integers(0, 256, (*size, 1)), 3, -1).astype(np.uint8)
    if task == "principal_curvature":
        curvatures = numbers.integers(0, 255, (*size, 3)) * (1, 1, 0)
        return np.where(holes[..., None], 0, curvatures).astype(np.uint8)
    if task == "rgb":
        return numbers.integers(0, 256, (*size, 3)).astype(np.uint8)
    if task in ("depth_euclidean", "depth_zbuffer"):
        return np.where(holes, 65535, numbers.integers(200, 6000, size)).astype(np.uint16)
    return numbers.integers(0, 60000, size).astype(np.uint16)


def file(root: Path, task: str, building: str, point: int, view: int,
         form: str = OFFICIAL) -> Path:
    """Where a file belongs."""
    domain = "segmentsemantic" if task == "segment_semantic" else task
    folder = root / form.format(task=task, building=building)
    return folder / f"point_{point}_view_{view}_domain_{domain}.png"


def write_png(path: Path, stored: NDArray[Any]) -> None:
    """uint8 [H, W] or [H, W, 3], or uint16 [H, W], as a PNG of just that form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(stored).save(path)


def write_official(root: Path, buildings: Sequence[str] = ("hanson", "ihlen"),
                   views: Views = ((0, 0), (0, 1)), size: tuple[int, int] = (6, 8),
                   tasks: Sequence[str] = TASKS, form: str = OFFICIAL) -> None:
    """A copy with the same views (pairs of point and view) in each building."""
    for building in buildings:
        for point, view in views:
            for task in ("rgb", *tasks):
                write_png(file(root, task, building, point, view, form),
                          pixels(task, building, point, view, size))
