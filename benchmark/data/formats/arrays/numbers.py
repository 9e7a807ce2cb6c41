"""From the numbers of a copy to images and targets.

Every function names the array, by its `path`, in the `DataError` it raises.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats.arrays.task import ArrayTask
from benchmark.errors import DataError
from benchmark.tasks import VOID
from benchmark.tasks.registry import find_kind

_TOLERANCE = 1e-3
"""How far beyond 0 and 1 resampling may have brought an image."""


def to_image(path: Path, raw: NDArray[Any]) -> NDArray[np.uint8]:
    """An image [3, H, W] as uint8: numbers from 0 to 1 become 0 to 255, uint8 stays as it is."""
    if raw.dtype == np.uint8:
        return raw
    if raw.dtype.kind != "f":
        raise DataError(f"{path} holds {raw.dtype}; images are numbers from 0 to 1, or uint8")
    lowest, highest = float(raw.min()), float(raw.max())
    if not (lowest >= -_TOLERANCE and highest <= 1 + _TOLERANCE):  # so that NaN is refused
        raise DataError(f"{path} has values from {lowest:g} to {highest:g}; images are numbers "
                        "from 0 to 1, or uint8")
    image: NDArray[np.uint8] = np.rint(np.clip(raw, 0, 1) * 255).astype(np.uint8)
    return image


def to_target(path: Path, raw: NDArray[Any], task: ArrayTask) -> NDArray[Any]:
    """Stored numbers [C, H, W] as the target that `Task` defines."""
    if task.labels:
        return _to_classes(path, raw[0], task)
    return _to_map(path, raw[list(task.order)] if task.order else raw, task)


def _to_classes(path: Path, raw: NDArray[Any], task: ArrayTask) -> NDArray[np.uint8]:
    count = len(find_kind(task.task.kind).spec.label_names(task.task))
    void = np.isin(raw, task.void)
    fits = (raw >= 0) & (raw < count)
    if raw.dtype.kind == "f":
        fits &= raw == np.rint(raw)
    _refuse(path, raw, ~(fits | void),
            f"which is no class; classes are 0 to {count - 1}, "
            f"{' and '.join(map(str, task.void))} stand for none{task.hint and '; '}{task.hint}")
    return np.where(void, VOID, raw).astype(np.uint8)


def _to_map(path: Path, raw: NDArray[Any], task: ArrayTask) -> NDArray[Any]:
    values = find_kind(task.task.kind).spec.target(path, raw, task.stored)
    if task.limits:
        lowest, highest = task.limits
        beyond = np.isfinite(values) & ((raw < lowest) | (raw >= highest))
        _refuse(path, raw, beyond, f"but values are at least {lowest:g} and below {highest:g}"
                                   f"{task.hint and '; '}{task.hint}")
    if codec := task.codec:
        # What is nearest to the code that means invalid cannot be told from it.
        nothing = codec.invalid * codec.scale + codec.offset
        values[abs(values - nothing) <= codec.scale / 2] = np.nan
    return values


def _refuse(path: Path, raw: NDArray[Any], wrong: NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        place = np.unravel_index(int(wrong.argmax()), wrong.shape)
        raise DataError(f"{path} has the value {raw[place]:g} at row {place[-2]}, column "
                        f"{place[-1]}, {why}")
