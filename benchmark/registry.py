"""The registry of methods: the `methods` package, installed plug-ins, and files of the user."""

from __future__ import annotations

import importlib
import re
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from benchmark.errors import RequestError, unknown
from benchmark.method import Method
from benchmark.plug_ins import code_digest, load_module

PACKAGE = "methods"
GROUP = "lhlbench.methods"
_KINDS = ("lifelong", "bound")
_LONGEST = 80
_NAME = rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{_LONGEST - 1}}}"


def method_names() -> list[str]:
    """Names of all methods that `--method` accepts without a path."""
    return sorted(_built_in() | {entry.name for entry in entry_points(group=GROUP)})


def _built_in() -> set[str]:
    package = importlib.import_module(PACKAGE)
    return {file.stem for folder in package.__path__ for file in Path(folder).glob("*.py")
            if not file.stem.startswith("_")}


def find_method(name: str) -> type[Method]:
    """The method called `name`, or the one in the file `name` (a path ending in .py).

    Raises `RequestError`: unknown name (with suggestions), a file without a method, or a method
    whose name or kind no record could hold.
    """
    if name in _built_in():
        return _only_method(importlib.import_module(f"{PACKAGE}.{name}"), name)
    return _usable(_from_outside(name), name)


def _from_outside(name: str) -> type[Method]:
    if name.endswith(".py"):
        return _only_method(_load_file(Path(name)), name)
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            loaded = entry.load()
            return loaded if isinstance(loaded, type) else _only_method(loaded, name)
    raise unknown("method", name, method_names())


def _usable(method: type[Method], source: str) -> type[Method]:
    """The method, when its name can be part of a folder's name and its kind is one of two."""
    name, kind = getattr(method, "name", None), method.kind
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise RequestError(f"method '{source}': its name is {name!r}, and names the folders of "
                           f"its runs; use up to {_LONGEST} letters without accents, digits, _, . "
                           "and -, a letter or digit first")
    if kind not in _KINDS:
        raise RequestError(f"method '{source}': its kind is {kind!r}; it must be one of "
                           f"{', '.join(_KINDS)}")
    return method


def plug_in_digest(name: str) -> str | None:
    """sha256 of a method file given by path; part of the run id, since its code is the user's."""
    return code_digest(Path(name)) if name.endswith(".py") else None


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise RequestError(f"{path} does not exist; --method takes a name or a method's file")
    return load_module(path, f"lhlbench_plugin_{path.stem}")


def _only_method(module: ModuleType, name: str) -> type[Method]:
    found = [value for value in vars(module).values()
             if isinstance(value, type) and issubclass(value, Method)
             and value.__module__ == module.__name__
             and "name" in vars(value)]
    if len(found) != 1:
        raise RequestError(f"method file '{name}' defines {len(found)} methods with a `name`; "
                           "it must define exactly one")
    return found[0]
