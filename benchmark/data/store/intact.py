"""Whether the arrays of a store are as they were written, asked once per state of a file.

What was found is kept in the cache, as size, times and inode of each file: a file that was touched
since is hashed again.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmark.data.formats.filling import portions
from benchmark.data.store.files import IMAGE, SPLITS, Split, Store
from benchmark.data.store.writer import content_hash
from benchmark.errors import DataError
from benchmark.files import digest, write_json
from benchmark.tasks import VOID
from benchmark.tasks.registry import find_kind

FOLDER = "intact"
"""Folder of the notes, below the cache."""

_Mark = list[int | str]


def require_intact(store: Store, cache: Path) -> None:
    """Hash every array that was not hashed as it is now, and look at its labels.

    Raises `DataError` naming the first file that is not as it was written, or has a label beyond
    its classes. Where the cache cannot be written, every call hashes anew.
    """
    notes = cache / FOLDER / f"{digest(str(store.folder.resolve()))[:16]}.json"
    known = _read(notes)
    found: dict[str, _Mark] = {}
    for split in SPLITS:
        for modality in (IMAGE, *store.tasks):
            key = f"{split}/{modality}"
            found[key] = _mark(store, key)
            if known.get(key) != found[key]:
                _check(store, split, modality)
    if found != known:
        try:
            write_json(notes, found)
        except OSError:
            return


def _read(notes: Path) -> dict[str, _Mark]:
    try:
        content = json.loads(notes.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _mark(store: Store, key: str) -> _Mark:
    """What changes whenever a file, or what the manifest says of it, does."""
    status = (store.folder / f"{key}.npy").stat()
    task = store.tasks.get(key.partition("/")[2])
    return [store.manifest.arrays[key].sha256, status.st_size, status.st_mtime_ns,
            status.st_ctime_ns, status.st_ino, status.st_dev,
            digest(task.model_dump(mode="json") if task else None)]


def _check(store: Store, split: Split, modality: str) -> None:
    path, array = store.folder / split / f"{modality}.npy", store.array(split, modality)
    if content_hash(array) != store.manifest.arrays[f"{split}/{modality}"].sha256:
        raise DataError(f"{path} is not what was written: its sha256 differs from the manifest's; "
                        f"delete {store.folder} to have it made again")
    if modality == IMAGE or not (spec := find_kind(store.tasks[modality].kind).spec).labels:
        return
    classes = len(spec.label_names(store.tasks[modality]))
    allowed = np.zeros(256, np.bool_)
    allowed[:classes] = allowed[VOID] = True
    for part in portions(array, None):
        if not allowed[part].all():
            raise DataError(f"{path} has the label {part[~allowed[part]][0]}, "
                            f"{modality} has {classes} classes; correct the labels and delete "
                            f"{store.folder} to have it made again")
