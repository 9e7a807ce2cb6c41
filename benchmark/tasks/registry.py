"""Finding task kinds: those in this package, installed plug-ins, and files named by the user.

A kind in this package is a folder with `KIND` in its `__init__.py`; so is a kind of the user's
own, which may be one file as well. An installed package offers `KIND` by the entry-point group
`lhlbench.task_kinds`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from benchmark.errors import RequestError, unknown
from benchmark.files import digest
from benchmark.plug_ins import load_module, name_task_kinds, task_kind_files
from benchmark.tasks.kind import TaskKind

GROUP = "lhlbench.task_kinds"


class UnknownKind(RequestError):
    """A task is of a kind that is not known here. Exit code 2."""


@dataclass(frozen=True)
class _FromFiles:
    """A kind of the user's own, where it is, and the sha256 of its files when it was loaded."""

    kind: TaskKind
    path: Path
    sha256: str


_loaded: dict[Path, _FromFiles] = {}


def kind_names() -> list[str]:
    """Names of all kinds a task may have."""
    return sorted({*_built_in(), *_installed(), *_from_files()})


def find_kind(name: str) -> TaskKind:
    """The kind called `name`. Raises `UnknownKind` saying how to make it known."""
    if name in _built_in():
        return _built_in_kind(name)
    if (own := _from_files().get(name)) is not None:
        return own.kind
    if name in _installed():
        return _installed_kind(name)
    raise UnknownKind(f"{unknown('task kind', name, kind_names())} A kind of your own is made "
                      "known by lhlbench --task-kinds FILE, or by `task_kinds` in a family's file")


def register_kind(path: Path) -> TaskKind:
    """The kind that a file or folder defines, which `find_kind` knows from now on.

    Raises `RequestError` when it defines none, or one of a name that is taken.
    """
    name_task_kinds([path], "register_kind")
    return _load(path.resolve(), task_kind_files()[path.resolve()]).kind


def kind_if_known(name: str) -> TaskKind | None:
    """The kind called `name`, None when it is not known here."""
    try:
        return find_kind(name)
    except UnknownKind:
        return None


def file_digests(names: Iterable[str]) -> dict[str, str]:
    """sha256 of the files of each kind that comes from files: its code changes numbers."""
    own = _from_files()
    return {name: own[name].sha256 for name in sorted(set(names)) if name in own}


@cache
def _built_in() -> frozenset[str]:
    package = import_module("benchmark.tasks")
    return frozenset(each.name for each in pkgutil.iter_modules(package.__path__) if each.ispkg)


@cache
def _built_in_kind(name: str) -> TaskKind:
    kind: TaskKind = import_module(f"benchmark.tasks.{name}").KIND
    return kind


@cache
def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@cache
def _installed_kind(name: str) -> TaskKind:
    kind: TaskKind = _installed()[name].load()
    return kind


def _from_files() -> dict[str, _FromFiles]:
    """The kinds of the files that are named now, by name.

    Raises `RequestError` for a file that defines none, or one of a name that is taken.
    """
    found: dict[str, _FromFiles] = {}
    for path, sha256 in task_kind_files().items():
        own = _load(path, sha256)
        other = found.setdefault(own.kind.name, own)
        if other.sha256 != own.sha256:
            raise RequestError(f"{path} defines the task kind '{own.kind.name}', which "
                               f"{other.path} defines in another way; rename one")
    return found


def _load(path: Path, sha256: str) -> _FromFiles:
    """The kind in a file or folder, loaded anew only when another content was seen there."""
    if path in _loaded and _loaded[path].sha256 == sha256:
        return _loaded[path]
    module = load_module(path, f"lhlbench_task_kind_{path.stem}_{digest(str(path))[:8]}")
    kind = getattr(module, "KIND", None)
    if not isinstance(kind, TaskKind):
        raise RequestError(f"{path} defines no task kind; it must have KIND = TaskKind(...)")
    if kind.name in _built_in() or kind.name in _installed():
        raise RequestError(f"{path} defines the task kind '{kind.name}', a name that is taken; "
                           "rename it")
    _loaded[path] = _FromFiles(kind, path, sha256)
    return _loaded[path]
