"""Small copies of a data set as npy folders (MTAN, LibMTL) or Parquet files (hubs).

Arrays are given channels first, [C, H, W], or as [H, W], by name: one for every image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Arrays = Mapping[str, Sequence[NDArray[Any]]]


def write_mtan(root: Path, part: str, arrays: Arrays) -> None:
    """ROOT/<part>/<name>/0.npy, ...: channels last, part is train or val."""
    for name, values in arrays.items():
        (root / part / name).mkdir(parents=True, exist_ok=True)
        for number, array in enumerate(values):
            last = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
            np.save(root / part / name / f"{number}.npy", np.ascontiguousarray(last))


def nested(values: Sequence[NDArray[Any]], lists: Any = pa.ListArray) -> Any:
    """Arrays of one shape as an Arrow array of nested lists."""
    stacked = np.stack(values)
    array = pa.array(stacked.reshape(-1))
    for length in stacked.shape[:0:-1]:
        if lists is pa.FixedSizeListArray:
            array = lists.from_arrays(array, length)
            continue
        offsets = pa.array(np.arange(0, len(array) + 1, length),
                           pa.int64() if lists is pa.LargeListArray else pa.int32())
        array = lists.from_arrays(offsets, array)
    return array


def write_hub(path: Path, arrays: Arrays | Mapping[str, Any], group: int = 4) -> None:
    """A Parquet file with a column for each name, `group` rows in a row group.

    Arrow arrays are written as they are.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {name: values if isinstance(values, pa.Array) else nested(values)
               for name, values in arrays.items()}
    pq.write_table(pa.table(columns), path, row_group_size=group)
