"""The one store every data set is read from: a memory-mapped array per modality and split.

    <folder>/manifest.json      tasks, shapes, sha256 of every array, where it came from
    <folder>/train/image.npy    uint8 [N, 3, H, W]
    <folder>/train/<task>.npy   targets as `benchmark.tasks.Task` defines them
    <folder>/eval/...
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.errors import DataError
from benchmark.files import digest, write_json
from benchmark.tasks import Task

Split = Literal["train", "eval"]
IMAGE = "image"

_DTYPES = {"segmentation": ("uint8",), "binary": ("uint8",),
           "regression": ("float32", "float16"), "direction": ("float32", "float16")}


class ArrayInfo(BaseModel):
    """What the manifest says of one array."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    dtype: str
    shape: tuple[int, ...]


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
    notes: tuple[str, ...] = ()
    files: dict[str, tuple[str, ...]] = {}
    """Split and modality -> the file each image came from, where there were files."""


class Store:
    """A finished store, opened for reading."""

    def __init__(self, folder: Path) -> None:
        """Raises `DataError` when the manifest or an array is missing or does not fit."""
        self.folder = folder
        path = folder / "manifest.json"
        try:
            self.manifest = Manifest.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise DataError(f"{folder} is not a store: it has no manifest.json") from None
        except ValidationError as error:
            raise DataError(f"{path} is damaged ({error.errors()[0]['msg']}); "
                            "delete the folder to have it made again") from None
        self.tasks = {task.name: task for task in self.manifest.tasks}
        wanted = {f"{split}/{name}" for split in self.manifest.images
                  for name in (IMAGE, *self.tasks)}
        if set(self.manifest.images) != {"train", "eval"} or wanted - set(self.manifest.arrays):
            raise DataError(f"{path} is incomplete; delete the folder to have it made again")
        self._arrays = {key: self._open(key, info) for key, info in self.manifest.arrays.items()}

    def _open(self, key: str, info: ArrayInfo) -> NDArray[Any]:
        path = self.folder / f"{key}.npy"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} cannot be read ({error}); delete {self.folder} "
                            "to have it made again") from None
        if array.shape != info.shape or str(array.dtype) != info.dtype:
            raise DataError(f"{path} holds {array.dtype}{list(array.shape)}, the manifest says "
                            f"{info.dtype}{list(info.shape)}; delete {self.folder} "
                            "to have it made again")
        found: NDArray[Any] = array
        return found

    @property
    def fingerprint(self) -> str:
        return self.manifest.fingerprint

    def count(self, split: Split) -> int:
        """Number of images of a split."""
        return self.manifest.images[split]

    def describe_void(self, task: str, images: NDArray[Any]) -> str:
        """The message for training images that hold not one valid pixel of a task."""
        files = self.manifest.files.get(f"train/{task}")
        named = ", ".join(files[i] for i in images[:3]) if files else str(
            self.folder / f"train/{task}.npy")
        more = f" and {len(images) - 3} more" if files and len(images) > 3 else ""
        return (f"task '{task}' has no valid pixel in its whole phase: {named}{more}; "
                "correct the labels, or give the phase other images")

    def array(self, split: Split, modality: str) -> NDArray[Any]:
        """The memory-mapped array of `image` or of a task; read-only."""
        return self._arrays[f"{split}/{modality}"]


class StoreWriter:
    """Fills the arrays of a store that does not exist yet."""

    def __init__(self, folder: Path, tasks: Sequence[Task]) -> None:
        self.folder = folder
        self.tasks = {task.name: task for task in tasks}
        self.files: dict[str, tuple[str, ...]] = {}
        self._arrays: dict[str, np.memmap[Any, Any]] = {}

    def array(self, split: Split, modality: str, shape: Sequence[int],
              dtype: str) -> NDArray[Any]:
        """A zeroed array on disk, to be filled by the caller.

        shape is [N, 3, H, W] for `image`, [N, H, W] for segmentation and binary, [N, C, H, W]
        for regression and direction. Raises `ValueError` on a shape or dtype of another form.
        """
        allowed, rank = (("uint8",), 4) if modality == IMAGE else self._form(modality)
        if dtype not in allowed or len(shape) != rank:
            raise ValueError(f"{split}/{modality}: {dtype}{list(shape)} is not of the store's form")
        path = self.folder / split / f"{modality}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=tuple(shape))
        self._arrays[f"{split}/{modality}"] = array
        return array

    def _form(self, modality: str) -> tuple[tuple[str, ...], int]:
        kind = self.tasks[modality].kind
        return _DTYPES[kind], 3 if kind in ("segmentation", "binary") else 4

    def finish(self, name: str, version: int, source: Mapping[str, Any],
               notes: Sequence[str] = ()) -> None:
        """Flush and hash every array, then write the manifest: the store is complete."""
        arrays = {}
        for key, array in sorted(self._arrays.items()):
            array.flush()
            content_hash = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
            arrays[key] = ArrayInfo(sha256=content_hash, dtype=str(array.dtype),
                                    shape=array.shape)
        splits: tuple[Split, ...] = ("train", "eval")
        images = {split: self._arrays[f"{split}/{IMAGE}"].shape[0] for split in splits}
        tasks = [task.model_dump() for task in self.tasks.values()]
        content = {key: info.model_dump() for key, info in arrays.items()}
        manifest = Manifest(name=name, version=version, tasks=tuple(self.tasks.values()),
                            fingerprint=digest([version, tasks, content])[:16], images=images,
                            arrays=arrays, source=dict(source), notes=tuple(notes),
                            files=self.files)
        write_json(self.folder / "manifest.json", manifest.model_dump())


def build(folder: Path, tasks: Sequence[Task], name: str, version: int,
          source: Mapping[str, Any], fill: Callable[[StoreWriter], Sequence[str] | None]) -> Store:
    """Open the store at `folder`; when there is none, have `fill` write it first.

    Safe when several processes ask at once: one fills, the others wait for it. A process that
    dies half way leaves no store. `fill` may return notes for the manifest.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if (folder / "manifest.json").exists():
        return Store(folder)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if not (folder / "manifest.json").exists():
            for rest in folder.parent.glob(f".{folder.name}.*.part"):  # of a process that died
                shutil.rmtree(rest, ignore_errors=True)
            temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.",
                                              suffix=".part"))
            try:
                writer = StoreWriter(temporary, tasks)
                notes = fill(writer)
                writer.finish(name, version, source, notes or ())
                temporary.chmod(0o755)
                shutil.rmtree(folder, ignore_errors=True)
                temporary.rename(folder)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    return Store(folder)
