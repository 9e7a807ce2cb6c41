"""The interface of a data set's module, the data sets by name, and where their stores are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

from pydantic import BaseModel, ConfigDict, Field

from benchmark.config.yaml_file import validate
from benchmark.data.store.files import Store
from benchmark.errors import RequestError, unknown

_MODULES = {name: f"benchmark.data.sources.{name}" for name in (
    "cityscapes", "folder", "nyuv2", "pascal_context", "rooms", "taskonomy")}


Pixels = Annotated[int, Field(gt=0, le=1 << 14)]
"""Height or width of the images of a store."""


class SourceConfig(BaseModel):
    """Base of a data set's typed options (the `dataset:` block of a sequence family).

    `name` names the data set; everything else is the data set's own. Unknown keys are errors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str

    def named_kinds(self) -> dict[str, str]:
        """Task -> kind where the options say it: the only tasks that can be of a user's kind."""
        return {}


@dataclass(frozen=True)
class DataPaths:
    """Folders in which data are found and kept; none of them changes a number."""

    cache: Path
    """Folder for stores made from other data."""
    data_root: Path | None = None
    """`--data-root` or LHLBENCH_DATA: where the user keeps real data sets."""
    family: Path = Path()
    """Folder of the sequence family's file; relative paths in it start here."""


class DataSource(Protocol):
    """Interface of a module of `benchmark.data.sources`; importing it must not import torch."""

    SUMMARY: str
    Config: type[Any]

    def task_names(self, config: Any) -> tuple[str, ...]:
        """Return the tasks the data set has labels for, without reading any data."""
        ...

    def open_store(self, config: Any, data_paths: DataPaths) -> Store:
        """Return the data set as a store, made below `data_paths.cache` first when there is none.

        Raises `DataError`, naming the file, when something is missing or wrong.
        """
        ...


def source_names() -> list[str]:
    """Return the names a `dataset:` block may give."""
    return sorted(_MODULES)


def find_source(name: str) -> DataSource:
    """Import the module of a data set. Raises `RequestError` with the nearest names."""
    if name not in _MODULES:
        raise unknown("data set", name, _MODULES)
    return cast(DataSource, import_module(_MODULES[name]))


def source_config(content: dict[str, Any], where: str) -> SourceConfig:
    """Validate a `dataset:` block as typed options of the data set it names.

    Raises `RequestError`, which begins with `where`, for an unknown name or option.
    """
    if not isinstance(content.get("name"), str):
        raise RequestError(f"{where}: dataset.name is missing; use one of "
                           f"{', '.join(source_names())}")
    config: SourceConfig = validate(find_source(content["name"]).Config, content,
                                    f"{where}, dataset")
    return config


def default_cache() -> Path:
    """Return `LHLBENCH_CACHE`, else the user's cache folder; always outside the repository."""
    if chosen := os.environ.get("LHLBENCH_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lhlbench"
