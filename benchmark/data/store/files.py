"""The one store every data set is read from: a memory-mapped array per modality and split.

    <folder>/manifest.json      tasks, shapes, sha256 of every array, where it came from
    <folder>/train/image.npy    uint8 [N, 3, H, W]
    <folder>/train/<task>.npy   targets as `benchmark.tasks.Task` defines them, or as 16-bit codes
    <folder>/eval/...
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from benchmark.config.json_file import parse_json
from benchmark.data.store.codec import Codec
from benchmark.errors import DataError, unknown
from benchmark.files import digest, read_file, require_regular
from benchmark.tasks import Task
from benchmark.tasks.registry import UnknownKind

Split = Literal["train", "eval"]
SPLITS: tuple[Split, ...] = get_args(Split)
IMAGE = "image"
MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 1 << 28
"""Bytes; it names every file of a data set."""


class ArrayInfo(BaseModel):
    """What the manifest says of one array."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    dtype: str
    shape: tuple[int, ...]
    codec: Codec | None = None
    """How the codes of a uint16 array become values."""


class Manifest(BaseModel):
    """`manifest.json`: everything known of a store but its numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    fingerprint: str
    tasks: tuple[Task, ...]
    images: dict[Split, int]
    arrays: dict[str, ArrayInfo]
    source: dict[str, Any]
    marks: dict[str, str] = {}
    """What makes the arrays another data set than usual; part of the fingerprint."""
    notes: tuple[str, ...] = ()
    files: dict[str, tuple[str, ...]] = {}
    """Split and modality -> the file each image came from, where there were files."""

    @field_validator("arrays")
    @classmethod
    def _stay_inside(cls, arrays: dict[str, ArrayInfo]) -> dict[str, ArrayInfo]:
        for key in arrays:
            if not re.fullmatch(r"(train|eval)/[a-z][a-z0-9_]*", key):
                raise ValueError(f"'{key}' is not the name of an array")
        return arrays


def fingerprint_of(version: int, tasks: Sequence[Any], arrays: Mapping[str, Mapping[str, Any]],
                   marks: Mapping[str, str]) -> str:
    """The fingerprint of a store, from what its manifest says as JSON values."""
    given = {key: {name: value for name, value in info.items() if value is not None}
             for key, info in arrays.items()}
    return digest([version, tasks, given, *([marks] if marks else [])])[:16]


class Store:
    """A finished store, opened for reading."""

    def __init__(self, folder: Path) -> None:
        """Raises `DataError` when the manifest or an array is missing or does not fit."""
        self.folder = folder
        path = folder / MANIFEST
        try:
            text = read_file(path, _LARGEST_MANIFEST)
            self.manifest = Manifest.model_validate_json(text)
        except FileNotFoundError:
            raise DataError(f"{folder} is not a store: it has no {MANIFEST}") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        except ValidationError as error:
            raise DataError(f"{path} is damaged ({error.errors()[0]['msg']}); "
                            "delete the folder to have it made again") from None
        except UnknownKind as error:
            raise DataError(f"{path}: {error}") from None
        self._require_fingerprint(path, text)
        self.tasks = {task.name: task for task in self.manifest.tasks}
        wanted = {f"{split}/{name}" for split in self.manifest.images
                  for name in (IMAGE, *self.tasks)}
        if set(self.manifest.images) != set(SPLITS) or wanted - set(self.manifest.arrays):
            raise DataError(f"{path} is incomplete; delete the folder to have it made again")
        for key, info in self.manifest.arrays.items():
            count = self.manifest.images["train" if key.startswith("train/") else "eval"]
            if info.shape[:1] != (count,):
                raise DataError(f"{path} is damaged (images says {count} of {key}, its shape is "
                                f"{list(info.shape)}); delete the folder to have it made again")
        self._arrays = {key: self._open(key, info) for key, info in self.manifest.arrays.items()}

    def _require_fingerprint(self, path: Path, text: bytes) -> None:
        """Compared as written: a later version's defaults of tasks are no part of it."""
        try:
            content = parse_json(text)
            found = fingerprint_of(content["version"], content["tasks"], content["arrays"],
                                   content.get("marks", {}))
        except (ValueError, RecursionError):  # NaN and infinity are no JSON
            found = "none"
        if found != self.manifest.fingerprint:
            raise DataError(f"{path} was changed: its fingerprint is {self.manifest.fingerprint}, "
                            f"its content gives {found}; delete the folder to have it made again")

    def _open(self, key: str, info: ArrayInfo) -> NDArray[Any]:
        path = self.folder / f"{key}.npy"
        try:
            require_regular(path, sys.maxsize)
            array = np.lib.format.open_memmap(path, mode="r")
        except (OSError, ValueError, EOFError, SyntaxError, OverflowError) as error:
            raise DataError(f"{path} cannot be read ({error}); delete {self.folder} "
                            "to have it made again") from None
        if array.shape != info.shape or str(array.dtype) != info.dtype:
            raise DataError(f"{path} holds {array.dtype}{list(array.shape)}, the manifest says "
                            f"{info.dtype}{list(info.shape)}; delete {self.folder} "
                            "to have it made again")
        return array

    @property
    def fingerprint(self) -> str:
        return self.manifest.fingerprint

    def count(self, split: Split) -> int:
        """Number of images of a split."""
        return self.manifest.images[split]

    def describe_void(self, task: str, images: NDArray[Any]) -> str:
        """The message for training images that hold not one valid pixel of a task."""
        files = self.manifest.files.get(f"train/{task}", self.manifest.files.get(f"train/{IMAGE}"))
        named = ", ".join(files[i] for i in images[:3]) if files else str(
            self.folder / f"train/{task}.npy")
        more = f" and {len(images) - 3} more" if files and len(images) > 3 else ""
        return (f"task '{task}' has no valid pixel in its whole phase: {named}{more}; "
                "correct the labels, or give the phase other images")

    def array(self, split: Split, modality: str) -> NDArray[Any]:
        """The memory-mapped array of `image` or of a task; read-only."""
        return self._arrays[f"{split}/{modality}"]

    def rows(self, split: Split, modality: str, positions: NDArray[np.int64]) -> NDArray[Any]:
        """A copy of some rows of an array, as they are stored; training data are read here only."""
        array = self.array(split, modality)
        if len(positions) and (np.diff(positions) == 1).all():
            return np.array(array[positions[0]:positions[-1] + 1])  # one stretch of the file
        return array.take(positions, axis=0)

    def codec(self, split: Split, modality: str) -> Codec | None:
        """How the codes of an array become values; None when it holds the values."""
        return self.manifest.arrays[f"{split}/{modality}"].codec

    def values(self, split: Split, modality: str, rows: slice = slice(None)) -> NDArray[Any]:
        """Rows of an array as `Task` defines targets, codes decoded."""
        codec, stored = self.codec(split, modality), self.array(split, modality)[rows]
        return codec.decode(stored) if codec else stored

    def task(self, name: str) -> Task:
        """A task of this store. Raises `DataError` when there are no labels of it."""
        if name not in self.tasks:
            raise DataError(f"{self.folder} has no labels of a task '{name}': "
                            f"{unknown('task', name, self.tasks)}")
        return self.tasks[name]
