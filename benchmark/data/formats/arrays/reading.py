"""What reading npy folders and reading Parquet files have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.arrays.numbers import to_image, to_target
from benchmark.data.formats.arrays.task import ArrayTask
from benchmark.data.formats.reading import Reading, Targets
from benchmark.data.store.files import IMAGE
from benchmark.errors import DataError

Get = Callable[[str, int], tuple[Path, NDArray[Any]]]
"""Given a folder or column and its channels: what to call the array, and it, as [C, H, W]."""


class ArrayReading(Reading):
    """A copy as arrays: an image and one array of every task for each row."""

    def __init__(self, found: Mapping[str, ArrayTask], size: decode.Size,
                 file_size: decode.Size) -> None:
        """`found` tells which folder or column each task is read from."""
        self._found, self._file_size = found, file_size
        self.tasks = [task.task for task in found.values()]
        self.codecs = {task.task.name: task.codec for task in found.values() if task.codec}
        self.size = size
        self.facts = {"size": list(file_size),
                      "tasks": {task.task.name: name for name, task in found.items()}}
        if file_size != size:
            self.notes = ["resized from {} x {} to {} x {} (height x width)".format(
                *file_size, *size)]

    def _targets(self, get: Get) -> Targets:
        """One row's image and targets. Raises `DataError` that names the array."""
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


def choose(tasks: Sequence[ArrayTask], present: Iterable[str],
           where: Path) -> dict[str, ArrayTask]:
    """The tasks that are there, by the name they are read from. Raises `DataError` for none."""
    present = set(present)
    names = {task: next((name for name in task.names if name in present), None) for task in tasks}
    found = {name: task for task, name in names.items() if name}
    if not found:
        known = ", ".join(name for task in tasks for name in task.names)
        raise DataError(f"{where} has images but no labels; none of these is there: {known}")
    return found
