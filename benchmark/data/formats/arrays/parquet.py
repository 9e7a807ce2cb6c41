"""Parquet files whose cells are arrays: nested lists, of one shape in all rows of a portion.

Each function opens the file anew: readers in pyarrow are not to be shared between threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats.optional import need
from benchmark.errors import DataError

_AT_ONCE = 8
"""Rows in memory at a time."""


def cell(path: Path, row: int, column: str) -> Path:
    """How messages call a cell."""
    return path.with_name(f"{path.name}[{row}]") / column


def columns(path: Path) -> list[str]:
    """Names of a file's columns. Raises `DataError` for a damaged file, as all of these do."""
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def row_groups(path: Path) -> list[int]:
    """Number of rows of every row group."""
    with _opened(path) as file:
        return [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]


def cells(path: Path, group: int, names: Sequence[str], rows: range, first: int,
          ) -> Iterator[dict[str, NDArray[Any]]]:
    """The arrays of some columns in each of the `rows` of a row group, a few at a time in memory.

    `first` is the row of the file, for messages, that the group begins with. Raises `DataError`
    naming the cell that is null, ragged or not made of numbers.
    """
    with _opened(path) as file:
        start = 0
        for batch in file.iter_batches(_AT_ONCE, row_groups=[group], columns=list(names),
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
    arrow = need("pyarrow", "hub", "reading Parquet files")
    reader = need("pyarrow.parquet", "hub", "reading Parquet files")
    try:
        with reader.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
            yield file
    except (arrow.ArrowException, OSError) as error:
        why = str(error).partition("\n")[0]
        raise DataError(f"{path} is damaged or not a Parquet file ({why}); copy it "
                        "again") from None


def _stacked(column: Any, path: Path, first: int, name: str) -> NDArray[Any]:
    """A column of nested lists as [rows, ...]; nothing but views of Arrow's memory is made."""
    array = getattr(column, "storage", column)  # of an extension type, as Array3D is one
    shape = [len(array)]

    def refuse(index: int, why: str) -> DataError:
        row = first + index // int(np.prod(shape[1:]))
        return DataError(f"{cell(path, row, name)} {why}")

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
