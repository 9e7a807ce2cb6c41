"""Layout mtan: one npy file per image and task, as MTAN, LibMTL and their forks read them.

    train/image/0.npy    [H, W, 3], from 0 to 1       val/image/0.npy    for evaluation
    train/<task>/0.npy   [H, W] or [H, W, C]          val/<task>/0.npy

Files are numbered from 0 without zeros in front and without gaps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.arrays.reader import ArrayReader, ArrayTask, present_tasks
from benchmark.data.formats.reader import DatasetReader, Layout, Targets
from benchmark.data.store.files import IMAGE, SPLITS, Split
from benchmark.errors import DataError

_PARTS: dict[Split, str] = {"train": "train", "eval": "val"}


def mtan_layout(tasks: Callable[[Any], Sequence[ArrayTask]]) -> Layout:
    """Return the layout "mtan" of a data set; `tasks` gives its tasks for the options."""

    def open_copy(path: Path, config: Any) -> DatasetReader:
        return MtanReader(path, config.size, tasks(config))

    return Layout("mtan", "train/image/0.npy, ..., val/image/0.npy, ... (MTAN, LibMTL)",
                  _find, open_copy)


class MtanReader(ArrayReader):
    """Reader of the npy files below a folder."""

    def __init__(self, root: Path, size: decode.Size, tasks: Sequence[ArrayTask]) -> None:
        """List the files. Raises `DataError` when one is missing or superfluous."""
        self._root = root
        counts = {split: _count_images(root / part / IMAGE) for split, part in _PARTS.items()}
        present = [name for task in tasks for name in task.names
                   if any(_names(root / part / name) for part in _PARTS.values())]
        found = present_tasks(tasks, present, root)
        for split, part in _PARTS.items():
            for name in found:
                _check_numbers(root / part / name, root / part / IMAGE, counts[split])
        first = decode.read_npy(root / _PARTS["train"] / IMAGE / "0.npy", 3)
        super().__init__(found, size, (first.shape[1], first.shape[2]))
        self.names = {split: [f"{_PARTS[split]}/{IMAGE}/{number}.npy" for number in range(count)]
                      for split, count in counts.items()}
        self.inputs = [self._path(split, name, number) for split in SPLITS
                       for number in range(counts[split]) for name in (IMAGE, *found)]

    def _path(self, split: Split, name: str, number: int) -> Path:
        return self._root / _PARTS[split] / name / f"{number}.npy"

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        for number in rows:
            def get(name: str, channels: int, number: int = number) -> tuple[Path, NDArray[Any]]:
                path = self._path(split, name, number)
                return path, decode.read_npy(path, channels)

            yield self._targets(get)


def _find(path: Path) -> Path | None:
    folder = path / _PARTS["train"] / IMAGE
    return folder if _names(folder) else None


def _names(folder: Path) -> set[str]:
    """Names of the npy files in a folder; empty when there is no such folder."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None
    return {name for name in names if name.endswith(".npy") and not name.startswith(".")}


def _count_images(folder: Path) -> int:
    names = _names(folder)
    if not names:
        raise DataError(f"there are no npy files in {folder}; the layout mtan has images in "
                        f"train/{IMAGE} and val/{IMAGE}")
    for number in range(len(names)):
        if f"{number}.npy" not in names:
            raise DataError(f"{folder / f'{number}.npy'} is missing: the {len(names)} npy files "
                            f"there must be 0.npy to {len(names) - 1}.npy; copy it again")
    return len(names)


def _check_numbers(folder: Path, images: Path, count: int) -> None:
    """Raise `DataError` unless there is a label for each image, and no other."""
    names = _names(folder)
    for number in range(count):
        if f"{number}.npy" not in names:
            raise DataError(f"{folder / f'{number}.npy'} is missing, the label of "
                            f"{images / f'{number}.npy'}; copy it, or move the {folder.name} "
                            "folders away")
    if left := sorted(names - {f"{number}.npy" for number in range(count)}):
        raise DataError(f"{folder / left[0]} is a label without an image in {images}; copy the "
                        "images again")
