"""The labelled part of NYUv2 as it is published: three MATLAB files.

nyu_depth_v2_labeled.mat is an HDF5 file, in which h5py sees every axis of MATLAB's arrays in
reverse. splits.mat and classMapping40.mat are of the older kind that scipy reads.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats.matlab import read_matlab
from benchmark.data.formats.reader import import_optional
from benchmark.data.sources.nyuv2.tasks import LABELS, Classes, class_of_label
from benchmark.data.store.files import Split
from benchmark.errors import DataError
from benchmark.files import require_regular

FRAMES = "nyu_depth_v2_labeled.mat"
SPLIT_FILE = "splits.mat"
MAPPING = "classMapping40.mat"
SIZE = (480, 640)

_SPLIT_KEYS: dict[Split, str] = {"train": "trainNdxs", "eval": "testNdxs"}
_ARRAYS = {"images": ("u", (3, 640, 480), "uint8"), "depths": ("f", (640, 480), "real numbers"),
           "labels": ("ui", (640, 480), "whole numbers")}
_MOST_FRAMES = 100_000
_CHUNK_CACHE = 1 << 26
"""Bytes: a compressed block may hold several frames, and would be unpacked for each of them."""


@dataclass(frozen=True)
class Frame:
    """One frame of 480 x 640 pixels, as stored."""

    image: NDArray[np.uint8]
    """[3, H, W]"""
    depth: NDArray[Any]
    """[H, W], in-painted, in metres."""
    label: NDArray[Any]
    """[H, W], 0 to 894."""


class Frames:
    """The frames of nyu_depth_v2_labeled.mat, read one by one."""

    def __init__(self, path: Path) -> None:
        """Open the file and check its arrays.

        Raises `DataError` when it is damaged or its arrays are not NYUv2's, and `RequestError`
        when h5py is not installed.
        """
        self.path = path
        h5py = import_optional("h5py", "nyuv2", str(path))
        try:
            require_regular(path, sys.maxsize)
            self._file = h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE)
        except OSError as error:
            raise _damaged(path, error) from None
        try:
            self._arrays = {key: self._array(h5py, key) for key in _ARRAYS}
            counts = {key: len(array) for key, array in self._arrays.items()}
            if len(set(counts.values())) > 1:
                listed = ", ".join(f"{key} {count}" for key, count in counts.items())
                raise DataError(f"{path} has different numbers of frames ({listed}); copy it again")
        except BaseException:
            self._file.close()
            raise
        self._lock = Lock()

    def _array(self, h5py: Any, key: str) -> Any:
        kinds, shape, words = _ARRAYS[key]
        try:
            array = self._file.get(key)
        except (OSError, RuntimeError, KeyError) as error:
            raise _damaged(self.path, error) from None
        if not isinstance(array, h5py.Dataset):
            raise DataError(f"{self.path} has no array '{key}'; it must be {FRAMES} with images, "
                            "depths and labels")
        found = array.shape or (0,)
        fits = array.dtype.kind in kinds and (key != "images" or array.dtype.itemsize == 1)
        if not fits or found[1:] != shape or not 0 < found[0] <= _MOST_FRAMES:
            raise DataError(f"{self.path}: '{key}' is {array.dtype}{list(found)}, it must be "
                            f"{words} [frames, {', '.join(map(str, shape))}]")
        return array

    def __len__(self) -> int:
        return len(self._arrays["images"])

    def read(self, index: int) -> Frame:
        """Read the frame of an index, from 0. Raises `DataError` when it is damaged."""
        with self._lock:  # HDF5 is not safe for concurrent reads
            try:
                image, depth, label = (array[index] for array in self._arrays.values())
            except (OSError, RuntimeError) as error:
                raise _damaged(self.path, f"frame {index}: {error}") from None
        if label.max() > LABELS or label.min() < 0:
            wrong = label.max() if label.max() > LABELS else label.min()
            raise DataError(f"{self.path}: frame {index} has the label {wrong}; labels are 0 to "
                            f"{LABELS}")
        return Frame(image.transpose(0, 2, 1), depth.T, label.T)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


def read_splits(folder: Path, frames: int) -> dict[Split, list[int]]:
    """Read the indices (from 0) of the frames of either split, in the file's ascending order.

    Raises `DataError` when splits.mat is missing or damaged, or names a frame that does not
    exist or is named twice.
    """
    path = folder / SPLIT_FILE
    if not path.is_file():
        raise DataError(f"{path} is missing: the training and test frames, from the data set's "
                        f"homepage (Train/Test split); put it next to {FRAMES}")
    found = read_matlab(path, list(_SPLIT_KEYS.values()))
    splits = {split: _whole(path, key, found).tolist() for split, key in _SPLIT_KEYS.items()}
    seen: set[int] = set()
    for split, key in _SPLIT_KEYS.items():
        for number in splits[split]:
            if not 1 <= number <= frames:
                raise DataError(f"{path}: {key} names frame {number}; {FRAMES} has frames 1 to "
                                f"{frames}")
            if number in seen:
                raise DataError(f"{path} names frame {number} twice; copy it again")
            seen.add(number)
    return {split: [number - 1 for number in numbers] for split, numbers in splits.items()}


def read_mapping(folder: Path, classes: Classes) -> NDArray[np.uint8]:
    """Read the table from a label, 0 to 894, to its class or `VOID`: uint8 [895].

    Raises `DataError` when classMapping40.mat is missing, damaged or has other numbers.
    """
    path = folder / MAPPING
    if not path.is_file():
        raise DataError(f"{path} is missing: it says which of 40 classes each label is in, and "
                        "comes with Gupta's code for indoor segmentation and with "
                        f"github.com/ankurhanda/nyuv2-meta-data; put it next to {FRAMES}")
    forty = _whole(path, "mapClass", read_matlab(path, ["mapClass"]))
    if len(forty) != LABELS or forty.min() < 1 or forty.max() > 40:
        raise DataError(f"{path}: mapClass must have {LABELS} numbers from 1 to 40, it has "
                        f"{len(forty)} from {forty.min()} to {forty.max()}")
    return class_of_label(forty, classes)


def _whole(path: Path, key: str, found: dict[str, Any]) -> NDArray[Any]:
    """The array `key` as a vector of whole numbers."""
    if key not in found:
        raise DataError(f"{path} has no array '{key}'")
    array = np.asarray(found[key])
    if array.dtype.kind not in "ui" or not array.size or max(array.shape) != array.size:
        raise DataError(f"{path}: '{key}' is {array.dtype}{list(array.shape)}, it must be whole "
                        "numbers in a row or column")
    return array.ravel()


def _damaged(path: Path, why: object) -> DataError:
    return DataError(f"{path} is damaged ({why}); copy it again")
