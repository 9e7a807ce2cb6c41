"""Labels from MATLAB files: context classes, their edges, and human parts.

Files of human parts hold these structs, whose fields are identified by their position:

    anno(1).objects(i)             imname, then the objects
        .class .class_ind .mask    15 is a person
        .parts(j)                  part_name, mask; [] where parts were not annotated"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.matlab import read_matlab
from benchmark.data.formats.reader import import_optional
from benchmark.data.sources.pascal_context.tasks import CLASS_OF_PART, NORMALS_AT, PERSON
from benchmark.errors import DataError
from benchmark.tasks import VOID

_CLASSES = 459
"""Classes are 1 to 459; 0 is a pixel without a label."""

_CLASS_NAME_FILES = ("pascal-context/labels.txt", "labels.txt", "json/context_classes.json",
               "db_info/context_classes.json", "context_classes.json")
_LINE = re.compile(r"\s*(\d+)\s*:\s*(.*\S)\s*")


def read_context(path: Path, image: Path, size: decode.Size) -> NDArray[np.uint16]:
    """Read the context classes [H, W] of an image of `size`; 0 where there is no label.

    Raises `DataError` when the file is damaged or does not fit.
    """
    labels = _load_variable(path, "LabelMap")
    if labels.dtype.kind not in "iu" or labels.ndim != 2:
        raise DataError(f"{path}: LabelMap holds {labels.dtype}{list(labels.shape)}; it must be "
                        "whole numbers [height, width]")
    decode.check_size(path, labels, image, size)
    if (wrong := (labels < 0) | (labels > _CLASSES)).any():
        row, column = np.unravel_index(int(wrong.argmax()), size)
        raise DataError(f"{path} has the class {labels[row, column]} at row {row}, column "
                        f"{column}; classes are 0 to {_CLASSES}: copy it again")
    return np.ascontiguousarray(labels, dtype=np.uint16)


def require_thinning() -> ModuleType:
    """Import the package that thins edges. Raises `RequestError` when it is not installed."""
    return import_optional("skimage.morphology", "pascal", "the task edge of pascal_context")


def semantic_edges(labels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Compute where classes [H, W] change: 1 on lines of one pixel, else 0.

    These are the pixels where the Laplacian of the class numbers (four neighbours, mirrored about
    the outermost pixels) is not zero, thinned, as facebookresearch/astmt computes with OpenCV.
    """
    padded = np.pad(labels.astype(np.int32), 1, mode="reflect")
    laplacian = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
                 - 4 * padded[1:-1, 1:-1])
    return np.asarray(require_thinning().thin(laplacian != 0), dtype=np.uint8)


def find_class_names(root: Path) -> Path:
    """Find the file with the names of the context classes.

    Raises `DataError` when there is none.
    """
    for name in _CLASS_NAME_FILES:
        if (path := root / name).is_file():
            return path
    raise DataError(f"{root / _CLASS_NAME_FILES[0]} is missing; normals count only at context "
                    "classes that NYUv2 has too, and this file has their numbers. Put labels.txt "
                    "of PASCAL-Context (459 lines like '1: accordion') there, or say --set "
                    "normals=everywhere")


def read_table_of_normals(path: Path) -> NDArray[np.bool_]:
    """Read whether normals count at each context class: bool [460].

    `path` is the file that `find_class_names` found. Raises `DataError` when it does not name all
    the classes in `NORMALS_AT`.
    """
    numbers = _read_names(path)
    if unnamed := sorted(NORMALS_AT - numbers.keys()):
        raise DataError(f"{path} does not name the class '{unnamed[0]}'; take the list of all 459 "
                        "classes")
    table = np.zeros(_CLASSES + 1, bool)
    table[[numbers[name] for name in NORMALS_AT]] = True
    return table


def _read_names(path: Path) -> dict[str, int]:
    """Read names and numbers of the classes: lines like `1: accordion`, or the same as JSON."""
    try:
        text = decode.read_bytes(path).decode("utf-8")
        if path.suffix == ".json":
            numbers = {str(name): int(number) for name, number in json.loads(text).items()}
        else:
            matches = [_LINE.fullmatch(line) for line in text.splitlines() if line.strip()]
            numbers = {match[2]: int(match[1]) for match in matches if match}
            if not all(matches):
                raise ValueError("a line is not like '1: accordion'")
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} is not the list of context classes ({error}); copy it again"
                        ) from None
    if wrong := [name for name, number in numbers.items() if not 1 <= number <= _CLASSES]:
        raise DataError(f"{path} gives '{wrong[0]}' the number {numbers[wrong[0]]}; classes are 1 "
                        f"to {_CLASSES}")
    return numbers


def read_parts(path: Path, image: Path, size: decode.Size) -> NDArray[np.uint8]:
    """Read the classes of human parts [H, W] of an image of `size`.

    All are `VOID` when no person in the image has parts; later masks cover earlier ones. Raises
    `DataError` when the file is damaged or does not fit.
    """
    target = np.zeros(size, np.uint8)
    anno = _load_variable(path, "anno")
    try:
        for name, mask in _person_parts(anno):
            decode.check_size(path, mask, image, size)
            target[mask] = CLASS_OF_PART[name]
    except _Malformed as error:
        raise DataError(f"{path}: {error}; copy it again") from None
    return target if target.any() else np.full(size, VOID, np.uint8)


class _Malformed(Exception):
    """The content of a file is wrong; the message says what."""


def _person_parts(anno: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for _, objects in _records(anno, 2, "anno"):
        for _, category, _, parts in _records(objects, 4, "objects"):
            if _is_person(category):
                for name, mask in _records(parts, 2, "parts"):
                    yield _part_name(name), _mask(mask)


def _records(structs: Any, count: int, what: str) -> Iterator[list[Any]]:
    """The first `count` fields of every element of a struct array, which may be empty."""
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
        found = repr(array.item()) if array.size == 1 else f"{array.dtype}{list(array.shape)}"
        raise _Malformed(f"a person has the part {found}; parts are {', '.join(CLASS_OF_PART)}")
    return str(array.item())


def _mask(value: Any) -> NDArray[np.bool_]:
    array = np.asarray(value)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise _Malformed(f"a mask is {array.dtype}{list(array.shape)}, not [height, width]")
    return array.astype(bool)


def _load_variable(path: Path, variable: str) -> NDArray[Any]:
    """Load a variable of a MATLAB file. Raises `DataError` as `read_matlab` does, and when the
    file has no such variable."""
    content = read_matlab(path, [variable])
    if variable not in content:
        raise DataError(f"{path} has no variable {variable}; copy it again")
    return np.asarray(content[variable])
