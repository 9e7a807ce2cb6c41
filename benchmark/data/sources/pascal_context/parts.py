"""Human parts: from masks of every part of every person to one class per pixel.

    anno(1).objects(i)             imname, then the objects
        .class .class_ind .mask    15 is a person
        .parts(j)                  part_name, mask; [] where parts were not annotated

The fields are found by their place, as other readers of these files do.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.sources.pascal_context import matlab
from benchmark.data.sources.pascal_context.tasks import CLASS_OF_PART, PERSON
from benchmark.errors import DataError
from benchmark.tasks import VOID


def read_parts(path: Path, image: Path, size: decode.Size) -> NDArray[np.uint8]:
    """Classes [H, W] of an image of `size`; all `VOID` when no person in it has parts.

    Later masks cover earlier ones. Raises `DataError` when the file is damaged or does not fit.
    """
    target = np.zeros(size, np.uint8)
    anno = matlab.load(path, "anno")
    try:
        for name, mask in _person_parts(anno):
            decode.check_size(path, mask, image, size)
            target[mask] = CLASS_OF_PART[name]
    except _Malformed as error:
        raise DataError(f"{path}: {error}; copy it again") from None
    return target if target.any() else np.full(size, VOID, np.uint8)


class _Malformed(Exception):
    """What is wrong with the content of a file."""


def _person_parts(anno: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for _, objects in _records(anno, 2, "anno"):
        for _, category, _, parts in _records(objects, 4, "objects"):
            if _is_person(category):
                for name, mask in _records(parts, 2, "parts"):
                    yield _part_name(name), _mask(mask)


def _records(structs: Any, count: int, what: str) -> Iterator[list[Any]]:
    """The first `count` fields of every element of a struct array; of none when it is empty."""
    array = np.asarray(structs)
    if not array.size:
        return
    if array.dtype.names is None or len(array.dtype.names) < count:
        raise _Malformed(f"{what} is {array.dtype}, no struct of {count} fields")
    for record in array.ravel():
        yield [record[name] for name in array.dtype.names[:count]]


def _is_person(category: Any) -> bool:
    array = np.asarray(category)
    if array.size != 1 or array.dtype.kind not in "iuf":
        raise _Malformed(f"class_ind is {array.dtype}{list(array.shape)}, not one number")
    return bool(array.item() == PERSON)


def _part_name(value: Any) -> str:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind != "U" or array.item() not in CLASS_OF_PART:
        told = repr(array.item()) if array.size == 1 else f"{array.dtype}{list(array.shape)}"
        raise _Malformed(f"a person has the part {told}; parts are {', '.join(CLASS_OF_PART)}")
    return str(array.item())


def _mask(value: Any) -> NDArray[np.bool_]:
    array = np.asarray(value)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise _Malformed(f"a mask is {array.dtype}{list(array.shape)}, not [height, width]")
    return array.astype(bool)
