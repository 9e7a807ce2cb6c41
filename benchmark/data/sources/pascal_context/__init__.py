"""PASCAL-Context for several tasks (PASCAL_MT): 10,103 photographs with five kinds of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from benchmark.data.formats.reading import Layout
from benchmark.data.sources.pascal_context.files import LISTS
from benchmark.data.sources.pascal_context.reading import Where, open_reading
from benchmark.data.sources.pascal_context.tasks import TASKS
from benchmark.data.sources.prepared import PreparedConfig, open_prepared
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store

__all__ = ["FOLDERS", "LAYOUTS", "SUMMARY", "VERSION", "Config", "open_store", "task_names"]

SUMMARY = ("PASCAL-Context (PASCAL_MT): photographs with classes, human parts, saliency, normals "
           "and edges")
VERSION = 1
"""Goes up whenever the same files would give other arrays."""
FOLDERS: Sequence[str] = ("pascal_context", "PASCAL_MT", "PASCALContext")

Sign = Literal[1, -1]


class Config(PreparedConfig):
    """Options of PASCAL-Context."""

    name: Literal["pascal_context"] = "pascal_context"
    size: tuple[PositiveInt, PositiveInt] = Field(
        (512, 512), description="height and width in pixels; images are placed in it undistorted, "
        "and shrunk only when they are larger")
    normals: Where = Field(
        "nyu classes", description="where normals count: at context classes that NYUv2 has too, "
        "or everywhere")
    normal_axes: tuple[Sign, Sign, Sign] = Field(
        (1, 1, 1), description="signs for x, y, z, should a copy's normals have another frame")


def task_names(config: Config) -> tuple[str, ...]:
    """All tasks that can be read; a copy offers those whose files it has."""
    return tuple(TASKS)


def open_store(config: Config, places: DataPaths) -> Store:
    """The store of the copy below the data root, prepared first when it is not there.

    Raises `DataError`, naming the file, when something is missing or damaged.
    """
    from benchmark.data.sources import pascal_context

    return open_prepared(pascal_context, config, places)


def _find(path: Path) -> Path | None:
    witness = path / LISTS["train"]
    return witness if witness.is_file() else None


LAYOUTS: Sequence[Layout] = (
    Layout("pascal_mt", "ImageSets/Context/train.txt, JPEGImages/2008_000008.jpg, ... "
           "(PASCAL_MT.tgz unpacked)", _find, open_reading),
)
