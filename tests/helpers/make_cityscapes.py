"""Small copies of Cityscapes in its official layout and as arrays, from the same numbers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.helpers import make_arrays

V = 255
SEVEN = [V, V, V, V, V, V, V, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6, 6,
         6, 6, 6, 6]
"""For each of the ids 0 to 33, its category; V for none."""
NINETEEN = [V, V, V, V, V, V, V, 0, 1, V, V, 2, 3, 4, V, V, V, 5, V, 6, 7, 8, 9, 10, 11, 12, 13,
            14, 15, V, V, 16, 17, 18]
"""For each of the ids 0 to 33, its trainId."""

FRAMES = {"train": (("bochum", "000000_000313"), ("bochum", "000000_000600"),
                    ("aachen", "000001_000019")),
          "val": (("munster", "000002_000019"), ("lindau", "000000_000019"))}
"""City, and sequence and frame; not in the data set's order."""
TYPES = {"leftImg8bit": "leftImg8bit", "gtFine": "gtFine_labelIds", "disparity": "disparity"}
SIZE = (6, 12)


def pixels(kind: str, city: str, frame: str, size: tuple[int, int] = SIZE) -> NDArray[Any]:
    """The stored numbers of a PNG file: [H, W, 3] uint8, or [H, W] of uint8 ids or uint16.

    A fifth of the disparities is 0, which is no measurement.
    """
    numbers = np.random.default_rng(zlib.crc32(f"{kind} {city} {frame}".encode()))
    if kind == "leftImg8bit":
        return numbers.integers(0, 256, (*size, 3)).astype(np.uint8)
    if kind == "gtFine":
        return numbers.integers(0, 34, size).astype(np.uint8)
    raw = numbers.integers(1, 32258, size)
    return np.where(numbers.random(size) < 0.2, 0, raw).astype(np.uint16)


def file(root: Path, kind: str, part: str, city: str, frame: str) -> Path:
    """Where a file of the official layout belongs."""
    return root / kind / part / city / f"{city}_{frame}_{TYPES[kind]}.png"


def write_png(path: Path, stored: NDArray[Any]) -> None:
    """uint8 [H, W] or [H, W, 3], or uint16 [H, W], as a PNG of just that form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(stored).save(path)


def write_official(root: Path, kinds: Sequence[str] = tuple(TYPES),
                   size: tuple[int, int] = SIZE) -> None:
    """The official files of `FRAMES`."""
    for part, frames in FRAMES.items():
        for city, frame in frames:
            for kind in kinds:
                write_png(file(root, kind, part, city, frame), pixels(kind, city, frame, size))


def arrays(part: str, size: tuple[int, int] = SIZE) -> dict[str, list[NDArray[Any]]]:
    """What a copy as arrays has for the same frames, in the data set's order, channels first:
    image, label_7 and label_19 with -1 for none, and depth."""
    frames = sorted(FRAMES[part])
    ids = [pixels("gtFine", *frame, size) for frame in frames]
    seven, nineteen = (np.where(np.array(table) == V, -1, table) for table in (SEVEN, NINETEEN))
    return {
        "image": [pixels("leftImg8bit", *frame, size).transpose(2, 0, 1).astype(np.float32) / 255
                  for frame in frames],
        "label_7": [seven[each].astype(np.float32) for each in ids],
        "label_19": [nineteen[each] for each in ids],
        "depth": [(pixels("disparity", *frame, size)[None] / 65535).astype(np.float32)
                  for frame in frames]}


def write_mtan(root: Path, size: tuple[int, int] = SIZE) -> None:
    """The same frames as npy folders."""
    for part in FRAMES:
        make_arrays.write_mtan(root, part, arrays(part, size))


def write_hub(root: Path, size: tuple[int, int] = SIZE) -> None:
    """The same frames as Parquet files."""
    names = {"label_7": "segmentation", "label_19": "segmentation_19"}
    for part, called in (("train", "train"), ("val", "validation")):
        columns = {names.get(name, name): values for name, values in arrays(part, size).items()}
        make_arrays.write_hub(root / "data" / f"{called}-00000-of-00001.parquet", columns, 2)
