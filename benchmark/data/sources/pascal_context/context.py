"""The context labels of an image: one of 459 classes per pixel, their names, and their edges."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.optional import need
from benchmark.data.sources.pascal_context import matlab
from benchmark.data.sources.pascal_context.tasks import NORMALS_AT
from benchmark.errors import DataError

_CLASSES = 459
"""Classes are 1 to 459; 0 is a pixel without a label."""

_NAME_FILES = ("pascal-context/labels.txt", "labels.txt", "json/context_classes.json",
               "db_info/context_classes.json", "context_classes.json")
_LINE = re.compile(r"\s*(\d+)\s*:\s*(.*\S)\s*")


def read_labels(path: Path, image: Path, size: decode.Size) -> NDArray[np.uint16]:
    """Classes [H, W] of an image of `size`. Raises `DataError` when the file does not fit."""
    labels = matlab.load(path, "LabelMap")
    if labels.dtype.kind not in "iu" or labels.ndim != 2:
        raise DataError(f"{path}: LabelMap holds {labels.dtype}{list(labels.shape)}; it must be "
                        "whole numbers [height, width]")
    decode.check_size(path, labels, image, size)
    if (wrong := (labels < 0) | (labels > _CLASSES)).any():
        row, column = np.unravel_index(int(wrong.argmax()), size)
        raise DataError(f"{path} has the class {labels[row, column]} at row {row}, column "
                        f"{column}; classes are 0 to {_CLASSES}: copy it again")
    return np.ascontiguousarray(labels, dtype=np.uint16)


def thinning() -> ModuleType:
    """The package that thins edges. Raises `RequestError` when it is not installed."""
    return need("skimage.morphology", "pascal", "the task edge of pascal_context")


def edges(labels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Where classes [H, W] change: 1 on lines of one pixel, else 0.

    The pixels where the Laplacian of the class numbers (four neighbours, mirrored about the
    outermost pixels) is not zero, thinned: what facebookresearch/astmt has OpenCV do.
    """
    padded = np.pad(labels.astype(np.int32), 1, mode="reflect")
    laplacian = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
                 - 4 * padded[1:-1, 1:-1])
    return np.asarray(thinning().thin(laplacian != 0), dtype=np.uint8)


def find_names(root: Path) -> Path:
    """The file of a copy with the names of the classes. Raises `DataError` when there is none."""
    for name in _NAME_FILES:
        if (path := root / name).is_file():
            return path
    raise DataError(f"{root / _NAME_FILES[0]} is missing; normals count only at context classes "
                    "that NYUv2 has too, and this file tells their numbers. Put labels.txt of "
                    "PASCAL-Context (459 lines like '1: accordion') there, or say --set "
                    "normals=everywhere")


def has_normals(path: Path) -> NDArray[np.bool_]:
    """By class, bool [460]: whether normals count there, from the file `find_names` found.

    Raises `DataError` when the file does not name all those classes.
    """
    numbers = _read_names(path)
    if unnamed := sorted(NORMALS_AT - numbers.keys()):
        raise DataError(f"{path} does not name the class '{unnamed[0]}'; take the list of all 459 "
                        "classes")
    table = np.zeros(_CLASSES + 1, bool)
    table[[numbers[name] for name in NORMALS_AT]] = True
    return table


def _read_names(path: Path) -> dict[str, int]:
    """Names and numbers of the classes: lines like `1: accordion`, or the same as JSON."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            numbers = {str(name): int(number) for name, number in json.loads(text).items()}
        else:
            matches = [_LINE.fullmatch(line) for line in text.splitlines() if line.strip()]
            numbers = {match[2]: int(match[1]) for match in matches if match}
            if not all(matches):
                raise ValueError("a line is not like '1: accordion'")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(f"{path} is not the list of context classes ({error}); copy it again"
                        ) from None
    if wrong := [name for name, number in numbers.items() if not 1 <= number <= _CLASSES]:
        raise DataError(f"{path} gives '{wrong[0]}' the number {numbers[wrong[0]]}; classes are 1 "
                        f"to {_CLASSES}")
    return numbers
