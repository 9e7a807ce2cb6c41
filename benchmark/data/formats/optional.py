"""Packages that only some data sets need."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from benchmark.errors import RequestError


def need(module: str, extra: str, what: str) -> ModuleType:
    """Import a package of an extra. Raises `RequestError` that says how to install it."""
    try:
        return import_module(module)
    except ImportError:
        raise RequestError(f"{what} needs the package {module.partition('.')[0]}: "
                           f"pip install 'lhlbench[{extra}]'") from None
