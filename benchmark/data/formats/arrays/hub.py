"""Layout hub: Parquet files whose cells are arrays as nested lists, channels first.

    data/train-00000-of-00008.parquet         image [3, H, W], from 0 to 1
    data/val-00000-of-00006.parquet           <task> [H, W] or [C, H, W]

The folder data may be left out; the files for evaluation may be named validation-*. All arrays of
a column have one shape. Messages name a cell FILE[row]/column. A file is opened anew for each
access: pyarrow's readers must not be shared between threads.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.arrays.reader import ArrayReader, ArrayTask, present_tasks
from benchmark.data.formats.reader import DatasetReader, Layout, Targets, import_optional
from benchmark.data.store.files import IMAGE, SPLITS, Split
from benchmark.errors import DataError
from benchmark.files import require_regular

_PARTS: dict[Split, tuple[str, ...]] = {"train": ("train",), "eval": ("val", "validation")}
_ROWS_IN_MEMORY = 8
_MOST_ROWS = 10_000_000
_MOST_VALUES = 1 << 28
"""In a cell: an image of 90 million pixels has fewer."""


def hub_layout(tasks: Callable[[Any], Sequence[ArrayTask]]) -> Layout:
    """Return the layout "hub" of a data set; `tasks` gives its tasks for the options."""

    def open_copy(path: Path, config: Any) -> DatasetReader:
        return HubReader(path, config.size, tasks(config))

    return Layout("hub", "data/train-*.parquet, data/val-*.parquet (dataset hubs)",
                  _find, open_copy)


@dataclass(frozen=True)
class _Group:
    """A row group of a Parquet file."""

    path: Path
    index: int
    rows: range
    """Rows of the split."""
    first: int
    """The row of the file at which it begins."""


class HubReader(ArrayReader):
    """Reader of the Parquet files of a folder; a unit of work is a row group."""

    def __init__(self, root: Path, size: decode.Size, tasks: Sequence[ArrayTask]) -> None:
        """Read the files' metadata. Raises `DataError` when a file or column is missing or
        damaged."""
        shards = {split: _shards(root, split) for split in SPLITS}
        self.inputs = [path for split in SPLITS for path in shards[split]]
        columns = {path: _column_names(path) for path in self.inputs}
        found = present_tasks(tasks, columns[self.inputs[0]], self.inputs[0])
        self._columns = [IMAGE, *found]
        for path, present in columns.items():
            for name in self._columns:
                if name not in present:
                    raise DataError(f"{path} has no column {name} (it has {', '.join(present)}); "
                                    "all files of a copy have the same columns: copy it again")
                if present.count(name) > 1:
                    raise DataError(f"{path} has {present.count(name)} columns {name}, and nobody "
                                    "can tell which is meant; keep one")
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
        cells = _read_cells(group.path, group.index, self._columns, inside, group.first)
        for row, arrays in zip(inside, cells, strict=True):
            def get(name: str, channels: int, row: int = group.first + row,
                    arrays: Mapping[str, NDArray[Any]] = arrays) -> tuple[Path, NDArray[Any]]:
                cell = _cell_name(group.path, row, name)
                return cell, _channels_first(cell, arrays[name], channels)

            yield self._targets(get)

    def _first_size(self) -> decode.Size:
        group = self._groups["train"][0]
        arrays = next(_read_cells(group.path, group.index, [IMAGE], range(1), group.first))
        cell = _cell_name(group.path, group.first, IMAGE)
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
    return [int(word) if word.isdecimal() else word for word in re.split(r"(\d+)", name)]


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
    """The row groups of a split's files that are not empty."""
    groups: list[_Group] = []
    done = 0
    for path in files:
        first = done
        for index, count in enumerate(_row_group_sizes(path)):
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


def _cell_name(path: Path, row: int, column: str) -> Path:
    """The name of a cell in messages."""
    return path.with_name(f"{path.name}[{row}]") / column


def _column_names(path: Path) -> list[str]:
    """Names of a file's columns. Raises `DataError` when the file is damaged."""
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def _row_group_sizes(path: Path) -> list[int]:
    """Number of rows of every row group. Raises `DataError` when the file is damaged, or has more
    rows, or larger cells, than could be read."""
    with _opened(path) as file:
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        rows = [group.num_rows for group in groups]
        values = [(group.column(i).num_values, group.num_rows) for group in groups
                  for i in range(group.num_columns)]
    if sum(rows) > _MOST_ROWS or any(count > _MOST_VALUES * of for count, of in values):
        raise DataError(f"{path} says it has {sum(rows)} rows, of up to "
                        f"{max(count // max(of, 1) for count, of in values)} numbers each; that is "
                        "no data set of images")
    return rows


def _read_cells(path: Path, group: int, names: Sequence[str], rows: range, first: int,
          ) -> Iterator[dict[str, NDArray[Any]]]:
    """Read the arrays of some columns in each of the `rows` of a row group, a few at a time.

    `first` is the row of the file at which the group begins, for messages. Raises `DataError`,
    naming the cell, when one is null, ragged or not made of numbers.
    """
    with _opened(path) as file:
        start = 0
        for batch in file.iter_batches(_ROWS_IN_MEMORY, row_groups=[group], columns=list(names),
                                       use_threads=False):
            part = range(max(rows.start, start), min(rows.stop, start + len(batch)))
            if part:
                kept = batch.slice(part.start - start, len(part))
                arrays = {name: _stacked(kept.column(name), path, first + part.start, name)
                          for name in names}
                for place in range(len(part)):
                    yield {name: array[place] for name, array in arrays.items()}
            start += len(batch)
            if start >= rows.stop:
                return


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    arrow = import_optional("pyarrow", "hub", "reading Parquet files")
    reader = import_optional("pyarrow.parquet", "hub", "reading Parquet files")
    try:
        require_regular(path, sys.maxsize)
        with reader.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
            yield file
    except (arrow.ArrowException, OSError) as error:
        why = str(error).partition("\n")[0]
        raise DataError(f"{path} is damaged or not a Parquet file ({why}); copy it "
                        "again") from None


def _stacked(column: Any, path: Path, first: int, name: str) -> NDArray[Any]:
    """Convert a column of nested lists to an array [rows, ...], a view of Arrow's memory."""
    array = getattr(column, "storage", column)  # of an extension type, as Array3D is one
    shape = [len(array)]

    def refuse(index: int, why: str) -> DataError:
        row = first + index // int(np.prod(shape[1:]))
        return DataError(f"{_cell_name(path, row, name)} {why}")

    while True:
        if array.null_count:
            nulls = array.is_null().to_numpy(zero_copy_only=False)
            raise refuse(int(nulls.argmax()), "has nulls where numbers belong; copy it again")
        if not hasattr(array, "value_lengths"):
            break
        lengths = array.value_lengths().to_numpy(zero_copy_only=False)
        if (other := lengths != lengths[0]).any() or not lengths[0]:
            raise refuse(int(other.argmax()), "is empty, ragged, or of another shape than the rows "
                                              "before it; copy it again")
        shape.append(int(lengths[0]))
        array = array.flatten()
    kind = str(array.type)
    if not kind.startswith(("int", "uint", "float", "halffloat", "double")):
        raise refuse(0, f"holds {kind}; arrays of numbers are needed, as nested lists")
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values.reshape(shape)
