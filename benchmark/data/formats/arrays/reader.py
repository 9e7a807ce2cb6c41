"""Arrays of a copy as images and targets, whatever kind of file holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.reader import DatasetReader, Targets
from benchmark.data.store.codec import Codec
from benchmark.data.store.files import IMAGE
from benchmark.errors import DataError
from benchmark.tasks import VOID, Task

GetArray = Callable[[str, int], tuple[Path, NDArray[Any]]]
"""Given a folder or column and its channels, return the array's name for messages, and the array
as [C, H, W]."""

_TOLERANCE = 1e-3
"""Tolerance: how far beyond 0 and 1 the values of a resampled image may lie."""


@dataclass(frozen=True)
class ArrayTask:
    """A task of a copy as arrays: where its labels are and what their numbers mean."""

    task: Task
    names: tuple[str, ...]
    """Folder (mtan) or column (hub) names; the first one present is read."""
    void: tuple[int, ...] = (-1, 255)
    """Segmentation and binary: values of pixels without a class."""
    invalid: tuple[float, ...] = (0.0,)
    """Regression: values that are not measurements."""
    codec: Codec | None = None
    """How a regression is stored; float32 without one."""
    scale: float = 1.0
    """Regression: value = number * scale + offset."""
    offset: float = 0.0
    axes: tuple[int, int, int] = (1, 1, 1)
    """Direction: signs that turn the stored frame into x right, y down, z away."""
    order: tuple[int, int, int] = (0, 1, 2)
    """Direction: the stored channels that are x, y and z; `axes` applies after."""
    limits: tuple[float, float] | None = None
    """Regression: valid numbers are at least the first and below the second."""
    hint: str = ""
    """The likely cause of a value that is no class or beyond the limits, for messages."""

    @property
    def labels(self) -> bool:
        """Whether the values are classes."""
        return self.task.kind in ("segmentation", "binary")

    @property
    def channels(self) -> int:
        """Channels of the stored arrays: one for classes, however many there are."""
        return 1 if self.labels else self.task.channels


class ArrayReader(DatasetReader):
    """Reader of a copy that has an image and one array of every task for each row."""

    def __init__(self, found: Mapping[str, ArrayTask], size: decode.Size,
                 file_size: decode.Size) -> None:
        """`found` maps the folder or column each task is read from to the task."""
        self._found, self._file_size = found, file_size
        self.tasks = [task.task for task in found.values()]
        self.codecs = {task.task.name: task.codec for task in found.values() if task.codec}
        self.size = size
        self.facts = {"size": list(file_size),
                      "tasks": {task.task.name: name for name, task in found.items()}}
        if file_size != size:
            self.notes = ["resized from {} x {} to {} x {} (height x width)".format(
                *file_size, *size)]

    def _targets(self, get: GetArray) -> Targets:
        """Convert one row's arrays. Raises `DataError` that names the array."""
        path, raw = get(IMAGE, 3)
        image = to_image(path, raw)
        if image.shape[1:] != self._file_size:
            raise DataError("{} is {} x {}, the first image is {} x {} (height x width); all "
                            "images of a copy have one size".format(
                                path, *image.shape[1:], *self._file_size))
        result: dict[str, NDArray[Any]] = {IMAGE: decode.resize_image(image, self.size)}
        for name, task in self._found.items():
            label, raw = get(name, task.channels)
            decode.check_size(label, raw, path, self._file_size)
            result[task.task.name] = decode.resize_label(to_target(label, raw, task), self.size)
        return result


def present_tasks(tasks: Sequence[ArrayTask], present: Iterable[str],
                  where: Path) -> dict[str, ArrayTask]:
    """Return the tasks that have labels, by the name they are read from.

    `present` are the names of folders or columns. Raises `DataError` when no task has labels.
    """
    present = set(present)
    names = {task: next((name for name in task.names if name in present), None) for task in tasks}
    found = {name: task for task, name in names.items() if name}
    if not found:
        known = ", ".join(name for task in tasks for name in task.names)
        raise DataError(f"{where} has images but no labels; none of these is there: {known}")
    return found


def to_image(path: Path, raw: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert an image [3, H, W] to uint8: numbers from 0 to 1 become 0 to 255, uint8 stays.

    Raises `DataError`, naming the array by its `path`, for any other numbers.
    """
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
    """Convert stored numbers [C, H, W] to the target that `Task` defines.

    Raises `DataError`, naming the array by its `path`, for a value that is no class or beyond the
    limits.
    """
    if task.labels:
        return _to_classes(path, raw[0], task)
    if task.task.kind == "direction":
        return decode.to_directions(path, raw[list(task.order)], axes=task.axes)
    return _to_map(path, raw, task)


def _to_classes(path: Path, raw: NDArray[Any], task: ArrayTask) -> NDArray[np.uint8]:
    count = 2 if task.task.kind == "binary" else task.task.channels
    void = np.isin(raw, task.void)
    fits = (raw >= 0) & (raw < count)
    if raw.dtype.kind == "f":
        fits &= raw == np.rint(raw)
    _refuse(path, raw, ~(fits | void),
            f"which is no class; classes are 0 to {count - 1}, "
            f"{' and '.join(map(str, task.void))} stand for none{task.hint and '; '}{task.hint}")
    return np.where(void, VOID, raw).astype(np.uint8)


def _to_map(path: Path, raw: NDArray[Any], task: ArrayTask) -> NDArray[np.float32]:
    values = decode.to_map(raw, task.scale, task.offset, task.invalid)
    if task.limits:
        lowest, highest = task.limits
        beyond = np.isfinite(values) & ((raw < lowest) | (raw >= highest))
        _refuse(path, raw, beyond, f"but values are at least {lowest:g} and below {highest:g}"
                                   f"{task.hint and '; '}{task.hint}")
    if codec := task.codec:
        # Values that would be stored as the code for "invalid" are invalid.
        invalid = codec.invalid * codec.scale + codec.offset
        values[abs(values - invalid) <= codec.scale / 2] = np.nan
    return values


def _refuse(path: Path, raw: NDArray[Any], wrong: NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        place = np.unravel_index(int(wrong.argmax()), wrong.shape)
        raise DataError(f"{path} has the value {raw[place]:g} at row {place[-2]}, column "
                        f"{place[-1]}, {why}")
