"""What a data set must offer to be used by the harness, and where its stores are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from benchmark.data.store.files import Store


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
    """Where data may be found and kept; none of it changes a number."""

    cache: Path
    """Folder for stores made from other data."""
    data_root: Path | None = None
    """`--data-root` or LHLBENCH_DATA: where the user keeps real data sets."""
    family: Path = Path()
    """Folder of the sequence family's file; relative paths in it start here."""


class Source(Protocol):
    """A module of `benchmark.data` that makes stores; importing it must not import torch."""

    SUMMARY: str
    Config: type[Any]

    def task_names(self, config: Any) -> tuple[str, ...]:
        """Tasks the data set has labels for, told without reading any data."""
        ...

    def open_store(self, config: Any, places: DataPaths) -> Store:
        """The data set as a store, made below `places.cache` first when it is not there.

        Raises `DataError`, naming the file, when something is missing or wrong.
        """
        ...


def default_cache() -> Path:
    """`LHLBENCH_CACHE`, else the user's cache folder; always outside the repository."""
    if chosen := os.environ.get("LHLBENCH_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lhlbench"
