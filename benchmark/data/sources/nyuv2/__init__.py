"""NYUv2: 795 training and 654 test frames of rooms with classes, depth and surface normals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from benchmark.data.formats.reader import Layout
from benchmark.data.sources.nyuv2.layouts import HUB, MTAN, OFFICIAL
from benchmark.data.sources.nyuv2.tasks import DEPTH, NORMAL, SEMANTIC, Classes
from benchmark.data.sources.prepared import PreparedConfig, open_prepared
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store

__all__ = ["FOLDERS", "LAYOUTS", "SUMMARY", "VERSION", "Config", "open_store", "task_names"]

SUMMARY = "NYUv2: indoor photographs with 13 or 40 classes, depth and surface normals"
VERSION = 1
"""To be raised whenever the same files come to give other arrays."""
FOLDERS: Sequence[str] = ("nyuv2", "NYUv2", "nyu_depth_v2", "NYU")
LAYOUTS: Sequence[Layout] = (OFFICIAL, MTAN, HUB)

Sign = Literal[1, -1]


class Config(PreparedConfig):
    """Options of NYUv2."""

    location_options: ClassVar[tuple[str, ...]] = ("layout", "normals")

    name: Literal["nyuv2"] = "nyuv2"
    size: tuple[PositiveInt, PositiveInt] = Field(
        (288, 384), description="height and width in pixels; images and labels are resized to it")
    classes: Classes = Field(13, description="classes of the task semantic")
    crop: Literal["mtan", "none"] = Field(
        "mtan", description="official: keep the 414 x 552 pixels that MTAN's copy shows, or all")
    normals: str | None = Field(
        None, description="official: folder or archive of normals_gt, absolute or relative to the "
        ".mat file's folder; default: normals_gt there, else computed from depth")
    normal_axes: tuple[Sign, Sign, Sign] = Field(
        (1, 1, 1), description="signs for x, y, z, should a copy's normals have another frame")


def task_names(config: Config) -> tuple[str, ...]:
    """Return the names of all tasks of NYUv2."""
    return (SEMANTIC, DEPTH.name, NORMAL.name)


def open_store(config: Config, data_paths: DataPaths) -> Store:
    """Return the store of the copy below the data root, prepared first when there is none.

    Raises `DataError`, naming the file or folder, when something is missing or damaged.
    """
    from benchmark.data.sources import nyuv2

    return open_prepared(nyuv2, config, data_paths)
