"""Layout hub: Parquet files whose cells are arrays as nested lists, channels first.

    data/train-00000-of-00008.parquet         image [3, H, W], from 0 to 1
    data/val-00000-of-00006.parquet           <task> [H, W] or [C, H, W]

The folder data may be left out; the files for evaluation may be named validation-*. Messages call
a cell FILE[row]/column.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.arrays import parquet
from benchmark.data.formats.arrays.reading import ArrayReading, choose
from benchmark.data.formats.arrays.task import ArrayTask
from benchmark.data.formats.reading import Layout, Reading, Targets
from benchmark.data.store.files import IMAGE, SPLITS, Split
from benchmark.errors import DataError

_PARTS: dict[Split, tuple[str, ...]] = {"train": ("train",), "eval": ("val", "validation")}


def hub_layout(tasks: Callable[[Any], Sequence[ArrayTask]]) -> Layout:
    """The layout "hub" of a data set whose options say which tasks there may be."""

    def open_copy(path: Path, config: Any) -> Reading:
        return HubReading(path, config.size, tasks(config))

    return Layout("hub", "data/train-*.parquet, data/val-*.parquet (dataset hubs)",
                  _find, open_copy)


@dataclass(frozen=True)
class _Group:
    """A row group of a file."""

    path: Path
    index: int
    rows: range
    """Rows of the split."""
    first: int
    """Row of the file that it begins with."""


class HubReading(ArrayReading):
    """The Parquet files of a folder; a row group at a time is a worker's portion."""

    def __init__(self, root: Path, size: decode.Size, tasks: Sequence[ArrayTask]) -> None:
        """Raises `DataError` when a file or a column is missing or damaged."""
        shards = {split: _shards(root, split) for split in SPLITS}
        self.inputs = [path for split in SPLITS for path in shards[split]]
        columns = {path: parquet.columns(path) for path in self.inputs}
        found = choose(tasks, columns[self.inputs[0]], self.inputs[0])
        self._columns = [IMAGE, *found]
        for path, present in columns.items():
            for name in self._columns:
                if name not in present:
                    raise DataError(f"{path} has no column {name} (it has {', '.join(present)}); "
                                    "all files of a copy have the same columns: copy it again")
        self._groups = {split: _groups(shards[split]) for split in SPLITS}
        self.names = {split: [f"{path.relative_to(root).as_posix()}[{row}]"
                              for path, row in _rows(self._groups[split])] for split in SPLITS}
        super().__init__(found, size, self._first_size())

    def units(self, split: Split) -> Sequence[range]:
        return [group.rows for group in self._groups[split]]

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        for group in self._groups[split]:
            wanted = range(max(rows.start, group.rows.start), min(rows.stop, group.rows.stop))
            if wanted:
                yield from self._read_group(group, wanted)

    def _read_group(self, group: _Group, wanted: range) -> Iterator[Targets]:
        inside = range(wanted.start - group.rows.start, wanted.stop - group.rows.start)
        cells = parquet.cells(group.path, group.index, self._columns, inside, group.first)
        for row, arrays in zip(inside, cells, strict=True):
            def get(name: str, channels: int, row: int = group.first + row,
                    arrays: Mapping[str, NDArray[Any]] = arrays) -> tuple[Path, NDArray[Any]]:
                cell = parquet.cell(group.path, row, name)
                return cell, _channels_first(cell, arrays[name], channels)

            yield self._targets(get)

    def _first_size(self) -> decode.Size:
        group = self._groups["train"][0]
        arrays = next(parquet.cells(group.path, group.index, [IMAGE], range(1), group.first))
        cell = parquet.cell(group.path, group.first, IMAGE)
        _, height, width = _channels_first(cell, arrays[IMAGE], 3).shape
        return height, width


def _find(path: Path) -> Path | None:
    return next(iter(_files(path, "train")), None)


def _files(root: Path, split: Split) -> list[Path]:
    """The files of a split in the order of their numbers; empty when there are none."""
    for folder in (root / "data", root):
        try:
            names = os.listdir(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}") from None
        for part in _PARTS[split]:
            pattern = re.compile(rf"{part}-.*\.parquet")
            if found := [name for name in names if pattern.fullmatch(name)]:
                return [folder / name for name in sorted(found, key=_by_number)]
    return []


def _by_number(name: str) -> list[Any]:
    return [int(word) if word.isdigit() else word for word in re.split(r"(\d+)", name)]


def _shards(root: Path, split: Split) -> list[Path]:
    """The files of a split. Raises `DataError` when, by their numbers, one is missing."""
    files = _files(root, split)
    if not files:
        names = " or ".join(f"{part}-*.parquet" for part in _PARTS[split])
        raise DataError(f"there is no {names} in {root} or {root / 'data'}; copy the files of "
                        "both splits")
    numbers = [re.search(r"-(\d+)-of-(\d+)", path.name) for path in files]
    for place, (path, number) in enumerate(zip(files, numbers, strict=True)):
        if number and (int(number[1]) != place or int(number[2]) != len(files)):
            raise DataError(f"{path.parent} has {len(files)} {split} files, but {path.name} is "
                            f"number {int(number[1])} (from 0) of {int(number[2])}; copy all "
                            "files of one version, and no other")
    return files


def _groups(files: Sequence[Path]) -> list[_Group]:
    """The row groups of a split's files that hold something."""
    groups: list[_Group] = []
    done = 0
    for path in files:
        first = done
        for index, count in enumerate(parquet.row_groups(path)):
            if count:
                groups.append(_Group(path, index, range(done, done + count), done - first))
            done += count
    if not groups:
        raise DataError(f"{files[0]} has no rows; copy it again")
    return groups


def _rows(groups: Sequence[_Group]) -> Iterator[tuple[Path, int]]:
    """File and row in it of every row of a split."""
    return ((group.path, group.first + row) for group in groups for row in range(len(group.rows)))


def _channels_first(cell: Path, array: NDArray[Any], channels: int) -> NDArray[Any]:
    if channels == 1 and array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or len(array) != channels:
        raise DataError(f"{cell} has shape {list(array.shape)}, [{channels}, H, W] is needed")
    return array
