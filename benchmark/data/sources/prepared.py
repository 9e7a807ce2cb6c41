"""Data sets read from files: find a copy, recognise its layout, and prepare its store.

A module of such a data set defines `SUMMARY`, `VERSION`, `Config` (a `PreparedConfig`),
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

from pydantic import Field

from benchmark.data.formats.filling import fill
from benchmark.data.formats.reader import DatasetReader, Layout
from benchmark.data.sources.source import DataPaths, Pixels, SourceConfig
from benchmark.data.store.files import MANIFEST, Manifest, Store
from benchmark.data.store.writer import build
from benchmark.errors import DataError, RequestError, unknown
from benchmark.files import digest

PREPARED = "prepared"
"""Folder of prepared stores, below the data root or the cache."""
_LONGEST_NAME = 80


class PreparedConfig(SourceConfig):
    """Options every real data set has."""

    location_options: ClassVar[tuple[str, ...]] = ("layout",)
    """Options that say where to read, not what: not part of a store's name or manifest."""

    size: tuple[Pixels, Pixels] = Field(
        description="height and width in pixels; images and labels are resized to it")
    layout: str | None = Field(None, description="which layout to read where several are found")


class PreparedSource(Protocol):
    """Interface of the module of a data set that is read from files."""

    SUMMARY: str
    VERSION: int
    FOLDERS: Sequence[str]
    LAYOUTS: Sequence[Layout]
    Config: type[Any]


@dataclass(frozen=True)
class DatasetCopy:
    """A copy of a data set in one of its layouts."""

    layout: Layout
    path: Path
    """The folder, or the file the user named."""
    recognised_by: Path
    """The file or folder that shows the layout."""


def open_prepared(source: PreparedSource, config: Any, data_paths: DataPaths) -> Store:
    """Return the store for the options `config`.

    It is opened from `<data root>/prepared`, else made in the cache from the files below the data
    root; without a data root, opened from the cache. Raises `DataError` that names the folders
    searched and the files expected.
    """
    root = data_paths.data_root or data_paths.cache
    if (folder := store_folder(root, config)).exists():
        return open_version(source, config, folder)
    if data_paths.data_root is None:
        raise _nothing_found(source, config, [folder])
    tried = [root, *(root / name for name in source.FOLDERS)]
    copies = _copies_in(source, tried)
    if not copies:
        raise _nothing_found(source, config, [folder, *tried])
    copy = choose_copy(copies, config)
    reader = copy.layout.open(copy.path, config)
    key = digest([str(copy.path), copy.layout.name, _files_digest(reader, times=True)])[:12]
    return _make(source, config, reader, copy, data_paths.cache / "made" / f"{folder.name}-{key}")


def prepare(source: PreparedSource, config: Any, path: Path, root: Path,
            workers: int | None = None, overwrite: bool = False) -> tuple[Store, bool]:
    """Prepare the copy at `path` (its folder or main file, or the folder that holds its folder by
    a usual name) below `root`, unless it is prepared.

    Returns the store, and whether this call made it. Raises `RequestError` when a store of other
    files is in its place and `overwrite` is false, `DataError` when there is no copy at `path` or
    a file of it is damaged.
    """
    within = [path / name for name in source.FOLDERS] if path.is_dir() else []
    copies = find_copies(source, path) or _copies_in(source, within)
    if not copies:
        raise _nothing_found(source, config, [path, *within])
    copy = choose_copy(copies, config)
    reader = copy.layout.open(copy.path, config)
    folder = store_folder(root, config)
    if folder.exists():
        try:
            same = (store := open_version(source, config, folder)).manifest.source.get(
                "files") == _files_digest(reader)
        except DataError:
            if not overwrite:
                raise
            same = False
        if same and not overwrite:
            reader.close()
            return store, False
        if not overwrite:
            raise RequestError(f"{folder} was prepared from other files; --overwrite replaces it, "
                               "another --root keeps both")
        shutil.rmtree(folder)
    return _make(source, config, reader, copy, folder, workers), True


def find_copies(source: PreparedSource, path: Path) -> list[DatasetCopy]:
    """Return the copy at `path` in every layout that is recognised there.

    Raises `DataError` when `path` does not exist.
    """
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    found = [(layout, layout.find(path)) for layout in source.LAYOUTS]
    return [DatasetCopy(layout, path, recognised_by) for layout, recognised_by in found
            if recognised_by is not None]


def _copies_in(source: PreparedSource, tried: Sequence[Path]) -> list[DatasetCopy]:
    """The copies in those of the folders `tried` that exist, each folder looked at once."""
    folders = {path.resolve(): path for path in reversed(tried) if path.is_dir()}
    return [copy for path in reversed(folders.values()) for copy in find_copies(source, path)]


def choose_copy(copies: Sequence[DatasetCopy], config: Any) -> DatasetCopy:
    """Choose the copy to read by the option `layout`.

    Raises `RequestError` when no copy has that layout, or two copies are left.
    """
    wanted = config.layout
    chosen = [copy for copy in copies if wanted is None or copy.layout.name == wanted]
    if not chosen:
        raise RequestError(f"{copies[0].path}: "
                           f"{unknown('layout', wanted, [each.layout.name for each in copies])}")
    if len(chosen) > 1:
        listed = " and ".join(f"{copy.layout.name} ({copy.recognised_by})" for copy in chosen)
        raise RequestError(f"two copies of {config.name} are here: {listed}; say which with "
                           "--set layout=NAME, or name its folder")
    return chosen[0]


def store_folder(root: Path, config: Any) -> Path:
    """Return the folder of the store below `root`, named by size and non-default options."""
    height, width = config.size
    defaults = type(config)().model_dump(mode="json")
    changed = {key: value for key, value in config.model_dump(mode="json").items()
               if key not in ("name", "size", *config.location_options) and value != defaults[key]}
    name = "_".join([config.name, f"{height}x{width}", *(f"{k}-{v}" for k, v in changed.items())])
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
    if len(plain) > _LONGEST_NAME or plain != name:
        plain = f"{plain[:_LONGEST_NAME]}-{digest(changed)[:8]}"
    return root / PREPARED / plain


def open_version(source: PreparedSource, config: Any, folder: Path) -> Store:
    """Open the store in `folder`.

    Raises `DataError` when it is of another data set or of another `VERSION` of this one.
    """
    store = Store(folder)
    made: Manifest = store.manifest
    if made.name != config.name or made.version != source.VERSION:
        raise DataError(f"{folder / MANIFEST} is of {made.name}, version {made.version}, this is "
                        f"version {source.VERSION} of {config.name}; prepare it again with "
                        "--overwrite")
    return store


def _make(source: PreparedSource, config: Any, reader: DatasetReader, copy: DatasetCopy,
          folder: Path, workers: int | None = None) -> Store:
    # Nothing that differs between machines may enter the manifest: no root, no times.
    origin = {"layout": copy.layout.name,
              "options": config.model_dump(mode="json", exclude=set(config.location_options)),
              "files": _files_digest(reader), **reader.facts}
    key = digest([source.VERSION, origin, _files_digest(reader, times=True)])[:16]
    try:
        return build(folder, reader.tasks, config.name, source.VERSION, origin,
                     lambda writer: fill(writer, reader, f"preparing {config.name}", workers),
                     resume_key=key)
    finally:
        reader.close()


def _files_digest(reader: DatasetReader, times: bool = False) -> str:
    """Hash of the names and sizes of all files, with `times` also of when they were modified."""
    content = hashlib.sha256()
    for path in reader.inputs:
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        content.update(f"{path.name} {status.st_size}".encode())
        content.update(f" {status.st_mtime_ns}\n".encode() if times else b"\n")
    return content.hexdigest()


def _nothing_found(source: PreparedSource, config: Any, tried: Sequence[Path]) -> DataError:
    forms = "; ".join(f"{layout.name}: {layout.about}" for layout in source.LAYOUTS)
    return DataError(f"{config.name} is not in {', '.join(map(str, dict.fromkeys(tried)))}. "
                     f"It is read from {forms}. Say where it is with --data-root DIR, or prepare "
                     f"it once: lhlbench data prepare {config.name} --from DIR")
