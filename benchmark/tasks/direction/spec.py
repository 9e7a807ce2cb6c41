"""Direction: unit vectors in the frame of the camera, and how stored vectors become them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.kind import KindSpec
from benchmark.tasks.stored import FormError, StoredValues, to_map
from benchmark.tasks.task import Task

_LENGTHS = (0.97, 1.03)
"""Of a direction, after rounding to half precision or 8 bits."""
_FEW = 0.5
"""Largest share of directions away from the camera that needs no note."""


class DirectionSpec(KindSpec):
    """Vectors x right, y down, z away from the camera; the zero vector is invalid."""

    invalid = 0.0
    channels = 3
    dtypes = ("float16", "float32")
    file_encodings = ("png8", "npy")
    file_options = frozenset({"scale", "offset", "invalid", "axes"})

    def valid(self, task: Task, targets: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray(targets.any(axis=1))

    def check_files(self, stored: StoredValues) -> None:
        super().check_files(stored)
        if len(stored.invalid) not in (0, 3):
            raise ValueError("invalid of a direction is one triple, such as [0, 0, 0]")

    def target(self, path: Path, raw: NDArray[Any], stored: StoredValues) -> NDArray[Any]:
        return to_directions(path, raw, stored.scale, stored.offset, stored.invalid, stored.axes)

    def fault(self, task: Task, known: NDArray[np.float32]) -> str:
        length = np.linalg.norm(known.astype(np.float64), axis=1)
        if _LENGTHS[0] < length.min() <= length.max() < _LENGTHS[1]:
            return ""
        return f"a direction of length {length[abs(length - 1).argmax()]:.3g}"

    def statistics(self, task: Task, known: NDArray[np.float32],
                   limits: tuple[float, float]) -> dict[str, float]:
        x, y, z = (float(value) for value in known.mean(0))
        return {"mean x": x, "mean y": y, "mean z": z,
                "z < 0 in %": 100 * float((known[:, 2] < 0).mean())}

    def notes(self, task: Task, split: str, portions: Iterable[NDArray[Any]]) -> Iterator[str]:
        valid = away = 0
        for part in portions:
            valid += int(part.any(axis=1).sum())
            away += int((part[:, 2] > 0).sum())
        if (share := away / max(valid, 1)) > _FEW:
            yield (f"{task.name}: {share:.0%} of the {split} directions point away from the "
                   "camera (z > 0); if they are surface normals, set axes")


def to_directions(path: Path, raw: NDArray[Any], scale: float = 1.0, offset: float = 0.0,
                  invalid: Sequence[float] = (), axes: Sequence[int] = (1, 1, 1),
                  ) -> NDArray[np.float32]:
    """Stored values [3, H, W] as unit vectors, float32; zero where invalid.

    `invalid` is one stored triple, or the one number it consists of; vectors that are zero or not
    finite are invalid too. `axes` are the signs that bring the file's frame to x right, y down,
    z away from the camera. Raises `FormError` when the median length is far from 1: scale or
    offset must be wrong.
    """
    vectors = to_map(raw, scale, offset) * np.asarray(axes, np.float32)[:, None, None]
    length = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=0))
    valid = np.isfinite(length) & (length > 1e-6)
    if len(invalid):
        valid &= (raw != np.reshape(invalid, (-1, 1, 1))).any(axis=0)
    if valid.any() and not 0.5 < (median := float(np.median(length[valid]))) < 2.0:
        raise FormError(f"{path}: the vectors have a median length of {median:.3g}, directions "
                        "have 1", "check scale and offset (8-bit colours: scale 0.0078431373, "
                        "offset -1)")
    return np.where(valid, vectors / np.where(valid, length, 1.0), 0.0).astype(np.float32)
