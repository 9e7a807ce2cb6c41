"""Making a store: complete or absent, whoever asks and whatever interrupts it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from benchmark.data.store.codec import DTYPE, Codec
from benchmark.data.store.files import (
    IMAGE,
    MANIFEST,
    SPLITS,
    ArrayInfo,
    Manifest,
    Split,
    Store,
    fingerprint_of,
)
from benchmark.errors import DataError, RequestError
from benchmark.files import write_json
from benchmark.tasks import Task
from benchmark.tasks.registry import find_kind

_JOURNAL = "journal.txt"
_BETWEEN_FLUSHES = 5.0
"""Seconds of work that an interruption may cost."""
_HASHED_AT_ONCE = 1 << 24


class StoreWriter:
    """Fills the arrays of a store that does not exist yet.

    What is noted by `note_done` is not lost when the process is killed: a writer of the same
    folder finds its arrays and `done` as they were.
    """

    def __init__(self, folder: Path, tasks: Sequence[Task]) -> None:
        self.folder = folder
        self.tasks = {task.name: task for task in tasks}
        self.files: dict[str, tuple[str, ...]] = {}
        self.marks: dict[str, str] = {}
        self._arrays: dict[str, np.memmap[Any, Any]] = {}
        self._codecs: dict[str, Codec | None] = {}
        self._waiting: list[str] = []
        self._flushed = time.monotonic()
        journal = folder / _JOURNAL
        # A line cut short by a kill has no line end and names nothing that was finished.
        lines = journal.read_text().splitlines(keepends=True) if journal.exists() else []
        self.done = {line[:-1] for line in lines if line.endswith("\n")}

    def array(self, split: Split, modality: str, shape: Sequence[int], dtype: str,
              codec: Codec | None = None) -> NDArray[Any]:
        """An array on disk, to be filled by the caller: zeroed, or as an interruption left it.

        shape is [N, 3, H, W] for `image`, [N, H, W] for labels, [N, C, H, W] for maps; uint16
        needs a codec. Raises `ValueError` on a shape or
        dtype of another form, `OSError` when the disk has no room for it.
        """
        allowed, rank = (("uint8",), 4) if modality == IMAGE else self._form(modality)
        if dtype not in allowed or len(shape) != rank or (dtype == DTYPE) != (codec is not None):
            raise ValueError(f"{split}/{modality}: {dtype}{list(shape)} is not of the store's form")
        path = self.folder / split / f"{modality}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        array = self._left(path, tuple(shape), dtype) if self.done else None
        if array is None:
            array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=tuple(shape))
            _reserve(path)
        self._arrays[f"{split}/{modality}"] = array
        self._codecs[f"{split}/{modality}"] = codec
        return array

    def _form(self, modality: str) -> tuple[tuple[str, ...], int]:
        spec = find_kind(self.tasks[modality].kind).spec
        return spec.dtypes, 3 if spec.labels else 4

    def _left(self, path: Path, shape: tuple[int, ...],
              dtype: str) -> np.memmap[Any, Any] | None:
        """The array an interrupted preparation left; None, and nothing is done, if it is not so."""
        try:
            array = np.lib.format.open_memmap(path, mode="r+")
        except (OSError, ValueError, EOFError):
            array = None
        if array is None or array.shape != shape or str(array.dtype) != dtype:
            (self.folder / _JOURNAL).unlink(missing_ok=True)
            self.done = set()
            return None
        return array

    def note_done(self, unit: str) -> None:
        """Note that all rows of `unit` (a word of the caller's) are in the arrays."""
        self._waiting.append(unit)
        if time.monotonic() - self._flushed > _BETWEEN_FLUSHES:
            self.flush()

    def flush(self) -> None:
        """Put arrays on disk, then what is noted as done."""
        for array in self._arrays.values():
            array.flush()
        with open(self.folder / _JOURNAL, "a", encoding="utf-8") as journal:
            journal.writelines(f"{unit}\n" for unit in self._waiting)
        self._waiting, self._flushed = [], time.monotonic()

    def finish(self, name: str, version: int, source: Mapping[str, Any],
               notes: Sequence[str] = ()) -> None:
        """Flush and hash every array, then write the manifest: the store is complete."""
        arrays = {}
        for key, array in sorted(self._arrays.items()):
            array.flush()
            arrays[key] = ArrayInfo(sha256=content_hash(array), dtype=str(array.dtype),
                                    shape=array.shape, codec=self._codecs[key])
        images = {split: self._arrays[f"{split}/{IMAGE}"].shape[0] for split in SPLITS}
        tasks = [task.model_dump() for task in self.tasks.values()]
        content = {key: info.model_dump() for key, info in arrays.items()}
        manifest = Manifest(name=name, version=version, tasks=tuple(self.tasks.values()),
                            fingerprint=fingerprint_of(version, tasks, content, self.marks),
                            images=images, arrays=arrays, source=dict(source), marks=self.marks,
                            notes=tuple(notes), files=self.files)
        (self.folder / _JOURNAL).unlink(missing_ok=True)
        write_json(self.folder / MANIFEST, manifest.model_dump(mode="json"))


def content_hash(array: NDArray[Any]) -> str:
    """sha256 of an array's numbers in C order, read a portion at a time."""
    found = hashlib.sha256()
    flat = array.reshape(-1)
    step = max(1, _HASHED_AT_ONCE // array.itemsize)
    for start in range(0, flat.size, step):
        found.update(np.ascontiguousarray(flat[start:start + step]).data)
    return found.hexdigest()


def _reserve(path: Path) -> None:
    """Claim the disk space of a new array now: a full disk is an error here, and a crash (SIGBUS)
    once the array is mapped."""
    if reserve := getattr(os, "posix_fallocate", None):
        with open(path, "r+b") as file:
            try:
                reserve(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # no such call there
                    raise


def build(folder: Path, tasks: Sequence[Task], name: str, version: int, source: Mapping[str, Any],
          fill: Callable[[StoreWriter], Sequence[str] | None], resume_key: str = "") -> Store:
    """Open the store at `folder`; when there is none, have `fill` write it first.

    Safe when several processes ask at once: one fills, the others wait for it. A process that
    dies half way leaves no store; with a `resume_key`, which names all that decides the content,
    the next call finds what that process had noted as done. `fill` may return notes for the
    manifest. Raises `DataError` when the disk is full or read-only.
    """
    if (folder / MANIFEST).exists():
        return Store(folder)
    with _writable(folder), FileLock(folder.parent / f".{folder.name}.lock"):
        if not (folder / MANIFEST).exists():
            part = _part(folder, resume_key)
            try:
                writer = StoreWriter(part, tasks)
                notes = fill(writer)
                writer.finish(name, version, source, notes or ())
                part.chmod(0o755)
                shutil.rmtree(folder, ignore_errors=True)
                part.rename(folder)
            except BaseException as error:
                if not resume_key or isinstance(error, Exception):
                    shutil.rmtree(part, ignore_errors=True)
                raise
    return Store(folder)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        yield
    except RequestError:
        raise
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror or error}; mend that, or choose "
                        "another place") from error


def _part(folder: Path, resume_key: str) -> Path:
    """The folder to fill: the one an interruption left under the same key, else a new one."""
    kept = folder.parent / f".{folder.name}.{resume_key}.part"
    for rest in folder.parent.glob(f".{folder.name}.*.part"):
        if not resume_key or rest != kept:
            shutil.rmtree(rest, ignore_errors=True)
    if not resume_key:
        return Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    kept.mkdir(exist_ok=True)
    return kept
