"""Real data sets: which layout a folder has, where its store lies, and making it when missing.

A module that offers such a data set defines `SUMMARY`, `VERSION`, `Config` (a `PreparedConfig`),
`task_names`, `FOLDERS` (names its folder usually has), `LAYOUTS`, and `open_store`, which calls
`open_prepared`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import Field, PositiveInt

from benchmark.data.formats.filling import fill
from benchmark.data.formats.reading import Layout, Reading
from benchmark.data.sources.source import DataPaths, SourceConfig
from benchmark.data.store.files import MANIFEST, Manifest, Store
from benchmark.data.store.writer import build
from benchmark.errors import DataError, RequestError, unknown
from benchmark.files import digest

PREPARED = "prepared"
"""Folder of prepared stores, below the data root or the cache."""
_LONGEST_NAME = 80


class PreparedConfig(SourceConfig):
    """Options every real data set has."""

    where: ClassVar[tuple[str, ...]] = ("layout",)
    """Options that say where to read, not what: no part of a store's name or manifest."""

    size: tuple[PositiveInt, PositiveInt] = Field(
        description="height and width in pixels; images and labels are resized to it")
    layout: str | None = Field(None, description="which layout to read where several are found")


class PreparedSource(Protocol):
    """The module of a real data set."""

    SUMMARY: str
    VERSION: int
    FOLDERS: Sequence[str]
    LAYOUTS: Sequence[Layout]
    Config: type[Any]


@dataclass(frozen=True)
class Found:
    """A copy of a data set in one of its layouts."""

    layout: Layout
    path: Path
    """The folder, or the file the user named."""
    witness: Path


def open_prepared(source: PreparedSource, config: Any, places: DataPaths) -> Store:
    """The store that `config` asks for.

    Taken from `<data root>/prepared`, else made in the cache from the files below the data root;
    without a data root, from what was prepared in the cache. Raises `DataError` that says where
    was looked for what.
    """
    root = places.data_root or places.cache
    if (folder := store_folder(root, config)).exists():
        return open_version(source, config, folder)
    if places.data_root is None:
        raise _nothing_found(source, config, [folder])
    tried = [root, *(root / name for name in source.FOLDERS)]
    there = {path.resolve(): path for path in reversed(tried) if path.is_dir()}
    copies = [found for path in reversed(there.values()) for found in find_layouts(source, path)]
    if not copies:
        raise _nothing_found(source, config, [folder, *tried])
    found = choose(copies, config)
    reading = found.layout.open(found.path, config)
    mark = digest([str(found.path), found.layout.name, _files_digest(reading, times=True)])[:12]
    return _make(source, config, reading, found, places.cache / "made" / f"{folder.name}-{mark}")


def prepare(source: PreparedSource, config: Any, path: Path, root: Path,
            workers: int | None = None, overwrite: bool = False) -> tuple[Store, bool]:
    """Prepare the copy at `path` (a folder, or its main file) below `root`, once.

    Returns the store, and whether it was made by this call. Raises `RequestError` when a store of
    other files is in its place and `overwrite` is false.
    """
    copies = find_layouts(source, path)
    if not copies:
        raise _nothing_found(source, config, [path])
    found = choose(copies, config)
    reading = found.layout.open(found.path, config)
    folder = store_folder(root, config)
    if folder.exists():
        try:
            same = (store := open_version(source, config, folder)).manifest.source.get(
                "files") == _files_digest(reading)
        except DataError:
            if not overwrite:
                raise
            same = False
        if same and not overwrite:
            reading.close()
            return store, False
        if not overwrite:
            raise RequestError(f"{folder} was prepared from other files; --overwrite replaces it, "
                               "another --root keeps both")
        shutil.rmtree(folder)
    return _make(source, config, reading, found, folder, workers), True


def find_layouts(source: PreparedSource, path: Path) -> list[Found]:
    """The layouts whose files are at `path`."""
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    witnesses = [(layout, layout.find(path)) for layout in source.LAYOUTS]
    return [Found(layout, path, witness) for layout, witness in witnesses if witness is not None]


def choose(copies: Sequence[Found], config: Any) -> Found:
    """The copy to read. Raises `RequestError` when there are two and `layout` does not choose."""
    wanted = config.layout
    chosen = [found for found in copies if wanted is None or found.layout.name == wanted]
    if not chosen:
        raise RequestError(f"{copies[0].path}: "
                           f"{unknown('layout', wanted, [each.layout.name for each in copies])}")
    if len(chosen) > 1:
        told = " and ".join(f"{found.layout.name} ({found.witness})" for found in chosen)
        raise RequestError(f"two copies of {config.name} are here: {told}; say which with "
                           "--set layout=NAME, or name its folder")
    return chosen[0]


def store_folder(root: Path, config: Any) -> Path:
    """Where the store of `config` lies below `root`: named by size and unusual options."""
    height, width = config.size
    usual = type(config)().model_dump(mode="json")
    told = {key: value for key, value in config.model_dump(mode="json").items()
            if key not in ("name", "size", *config.where) and value != usual[key]}
    name = "_".join([config.name, f"{height}x{width}", *(f"{k}-{v}" for k, v in told.items())])
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
    if len(plain) > _LONGEST_NAME or plain != name:
        plain = f"{plain[:_LONGEST_NAME]}-{digest(told)[:8]}"
    return root / PREPARED / plain


def open_version(source: PreparedSource, config: Any, folder: Path) -> Store:
    """The store in `folder`. Raises `DataError` when it is another data set's, or an older
    version of the harness made it."""
    store = Store(folder)
    made: Manifest = store.manifest
    if made.name != config.name or made.version != source.VERSION:
        raise DataError(f"{folder / MANIFEST} is of {made.name}, version {made.version}, this is "
                        f"version {source.VERSION} of {config.name}; prepare it again with "
                        "--overwrite")
    return store


def _make(source: PreparedSource, config: Any, reading: Reading, found: Found, folder: Path,
          workers: int | None = None) -> Store:
    # Nothing that differs between machines may enter the manifest: no root, no times.
    told = {"layout": found.layout.name,
            "options": config.model_dump(mode="json", exclude=set(config.where)),
            "files": _files_digest(reading), **reading.facts}
    key = digest([source.VERSION, told, _files_digest(reading, times=True)])[:16]
    try:
        return build(folder, reading.tasks, config.name, source.VERSION, told,
                     lambda writer: fill(writer, reading, f"preparing {config.name}", workers),
                     resume_key=key)
    finally:
        reading.close()


def _files_digest(reading: Reading, times: bool = False) -> str:
    """Names and sizes of all files as one hash, with `times` also when they were last written."""
    found = hashlib.sha256()
    for path in reading.inputs:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        found.update(f"{path.name} {status.st_size}".encode())
        found.update(f" {status.st_mtime_ns}\n".encode() if times else b"\n")
    return found.hexdigest()


def _nothing_found(source: PreparedSource, config: Any, tried: Sequence[Path]) -> DataError:
    forms = "; ".join(f"{layout.name}: {layout.about}" for layout in source.LAYOUTS)
    return DataError(f"{config.name} is not in {', '.join(map(str, dict.fromkeys(tried)))}. "
                     f"It is read from {forms}. Say where it is with --data-root DIR, or prepare "
                     f"it once: lhlbench data prepare {config.name} --from DIR")
