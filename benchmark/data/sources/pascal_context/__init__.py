"""PASCAL-Context for several tasks (PASCAL_MT): 10,103 photographs with five kinds of labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from benchmark.data.formats.reader import Layout
from benchmark.data.sources.pascal_context.files import LISTS
from benchmark.data.sources.pascal_context.reader import NormalsOption, open_copy
from benchmark.data.sources.pascal_context.tasks import TASKS
from benchmark.data.sources.prepared import PreparedConfig, open_prepared
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store

__all__ = ["FOLDERS", "LAYOUTS", "SUMMARY", "VERSION", "Config", "open_store", "task_names"]

SUMMARY = ("PASCAL-Context (PASCAL_MT): photographs with classes, human parts, saliency, normals "
           "and edges")
VERSION = 1
"""To be raised whenever the same files come to give other arrays."""
FOLDERS: Sequence[str] = ("pascal_context", "PASCAL_MT", "PASCALContext")

Sign = Literal[1, -1]


class Config(PreparedConfig):
    """Options of PASCAL-Context."""

    name: Literal["pascal_context"] = "pascal_context"
    size: tuple[PositiveInt, PositiveInt] = Field(
        (512, 512), description="height and width in pixels; images are placed in it undistorted, "
        "and shrunk only when they are larger")
    normals: NormalsOption = Field(
        "nyu classes", description="where normals count: at context classes that NYUv2 has too, "
        "or everywhere")
    normal_axes: tuple[Sign, Sign, Sign] = Field(
        (1, 1, 1), description="signs for x, y, z, should a copy's normals have another frame")


def task_names(config: Config) -> tuple[str, ...]:
    """Return all tasks that can be read; a copy has labels for those whose files it has."""
    return tuple(TASKS)


def open_store(config: Config, data_paths: DataPaths) -> Store:
    """Return the store of the copy below the data root, prepared first when there is none.

    Raises `DataError`, naming the file, when something is missing or damaged.
    """
    from benchmark.data.sources import pascal_context

    return open_prepared(pascal_context, config, data_paths)


def _find(path: Path) -> Path | None:
    train_list = path / LISTS["train"]
    return train_list if train_list.is_file() else None


LAYOUTS: Sequence[Layout] = (
    Layout("pascal_mt", "ImageSets/Context/train.txt, JPEGImages/2008_000008.jpg, ... "
           "(PASCAL_MT.tgz unpacked)", _find, open_copy),
)
