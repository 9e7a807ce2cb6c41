"""The data sets there are, by name; each module is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

from benchmark.config.yaml_file import validate
from benchmark.data.sources.source import Source, SourceConfig
from benchmark.errors import RequestError, unknown

_MODULES = {name: f"benchmark.data.sources.{name}" for name in (
    "cityscapes", "folder", "nyuv2", "pascal_context", "rooms", "taskonomy")}


def source_names() -> list[str]:
    """Names a `dataset:` block may give."""
    return sorted(_MODULES)


def find_source(name: str) -> Source:
    """The module of a data set. Raises `RequestError` with the nearest names."""
    if name not in _MODULES:
        raise unknown("data set", name, _MODULES)
    return cast(Source, import_module(_MODULES[name]))


def source_config(content: dict[str, Any], where: str) -> SourceConfig:
    """A `dataset:` block as typed options of the data set it names."""
    if not isinstance(content.get("name"), str):
        raise RequestError(f"{where}: dataset.name is missing; use one of "
                           f"{', '.join(source_names())}")
    config: SourceConfig = validate(find_source(content["name"]).Config, content,
                                    f"{where}, dataset")
    return config
