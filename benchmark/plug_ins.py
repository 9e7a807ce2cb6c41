"""Code of the user's own: where its files are named, how they are loaded, and their digests."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

from benchmark.errors import RequestError, Terminated
from benchmark.files import digest

TASK_KINDS = "LHLBENCH_TASK_KINDS"
"""Environment variable: files and folders that define task kinds, joined as in PATH."""

_from_families: dict[Path, str] = {}
"""What families read so far have named, with the digest of the code."""


def load_module(path: Path, name: str) -> ModuleType:
    """Import a .py file, or a folder with `__init__.py`, anew as the module `name`.

    Raises `RequestError` naming the file when it does not exist or cannot be imported.
    """
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file():
        raise RequestError(f"{file} does not exist")
    for loaded in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
        del sys.modules[loaded]
    within = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=within)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Terminated:
        raise
    except (Exception, SystemExit) as error:
        raise RequestError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def code_digest(path: Path) -> str:
    """sha256 of a file, or of the names and contents of all files in a folder."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = sorted(each for each in path.rglob("*")
                   if each.is_file() and "__pycache__" not in each.parts)
    return digest({file.relative_to(path).as_posix(): code_digest(file) for file in files})


def name_task_kinds(paths: Iterable[Path], where: str) -> None:
    """Note files and folders that define task kinds; they are loaded when a kind is looked up.

    Raises `RequestError`, beginning with `where`, for one that does not exist.
    """
    for path in paths:
        _from_families[path.resolve()] = _existing(path, where)


def task_kind_files() -> dict[Path, str]:
    """Every file and folder that is said to define a task kind, by the environment or by families,
    with the digest of the code it holds.

    Raises `RequestError` when the environment names one that does not exist.
    """
    return {**_from_environment(os.environ.get(TASK_KINDS, ""), Path.cwd()), **_from_families}


@cache
def _from_environment(words: str, folder: Path) -> dict[Path, str]:
    named = [folder / word for word in words.split(os.pathsep) if word]
    return {path.resolve(): _existing(path, f"--task-kinds or {TASK_KINDS}") for path in named}


def _existing(path: Path, where: str) -> str:
    """The digest of a file or folder. Raises `RequestError` when there is none."""
    if not path.exists():
        raise RequestError(f"{where}: {path} does not exist; name a .py file, or a folder with "
                           "__init__.py, that defines KIND")
    return code_digest(path)
