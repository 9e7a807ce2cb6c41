"""The registry of methods: the `methods` package, installed plug-ins, and files of the user."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from benchmark.errors import RequestError, unknown
from benchmark.method import Method

PACKAGE = "methods"
GROUP = "lhlbench.methods"


def method_names() -> list[str]:
    """Names of all methods that `--method` accepts without a path."""
    return sorted(_built_in() | {entry.name for entry in entry_points(group=GROUP)})


def _built_in() -> set[str]:
    package = importlib.import_module(PACKAGE)
    return {file.stem for folder in package.__path__ for file in Path(folder).glob("*.py")
            if not file.stem.startswith("_")}


def find_method(name: str) -> type[Method]:
    """The method called `name`, or the one in the file `name` (a path ending in .py).

    Raises `RequestError`: unknown name (with suggestions), or a file without a method.
    """
    if name.endswith(".py"):
        return _only_method(_load_file(Path(name)), name)
    if name in _built_in():
        return _only_method(importlib.import_module(f"{PACKAGE}.{name}"), name)
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            loaded = entry.load()
            return loaded if isinstance(loaded, type) else _only_method(loaded, name)
    raise unknown("method", name, method_names())


def plug_in_digest(name: str) -> str | None:
    """sha256 of a method file given by path; part of the run id, since its code is the user's."""
    return hashlib.sha256(Path(name).read_bytes()).hexdigest() if name.endswith(".py") else None


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise RequestError(f"{path} does not exist; --method takes a name or a method's file")
    spec = importlib.util.spec_from_file_location(f"lhlbench_plugin_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RequestError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _only_method(module: ModuleType, name: str) -> type[Method]:
    found = [value for value in vars(module).values()
             if isinstance(value, type) and issubclass(value, Method)
             and value.__module__ == module.__name__
             and "name" in vars(value)]
    if len(found) != 1:
        raise RequestError(f"method file '{name}' defines {len(found)} methods with a `name`; "
                           "it must define exactly one")
    return found[0]
