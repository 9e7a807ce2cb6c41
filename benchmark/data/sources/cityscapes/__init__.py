"""Cityscapes: 2975 training and 500 validation photographs of streets, with classes and
disparities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, PositiveInt

from benchmark.data.formats.reader import Layout
from benchmark.data.sources.cityscapes.layouts import HUB, MTAN, OFFICIAL
from benchmark.data.sources.cityscapes.tasks import Disparity
from benchmark.data.sources.prepared import PreparedConfig, open_prepared
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store

__all__ = ["FOLDERS", "LAYOUTS", "SUMMARY", "VERSION", "Config", "open_store", "task_names"]

SUMMARY = "Cityscapes: street scenes with 7 or 19 classes and inverse depth"
VERSION = 1
"""To be raised whenever the same files come to give other arrays."""
FOLDERS: Sequence[str] = ("cityscapes", "Cityscapes", "CityScapes")
LAYOUTS: Sequence[Layout] = (OFFICIAL, MTAN, HUB)


class Config(PreparedConfig):
    """Options of Cityscapes."""

    name: Literal["cityscapes"] = "cityscapes"
    size: tuple[PositiveInt, PositiveInt] = Field(
        (128, 256), description="height and width in pixels; images and labels are resized to it")
    disparity: Disparity = Field(
        "mtan", description="values of the task depth: the stored disparity / 65535, as the MTAN "
        "copies have it, or in pixels of the official images")


def task_names(config: Config) -> tuple[str, ...]:
    """Return all tasks that can be read; a copy has labels for those whose files it has."""
    return ("semantic", "semantic19", "depth")


def open_store(config: Config, data_paths: DataPaths) -> Store:
    """Return the store of the copy below the data root, prepared first when there is none.

    Raises `DataError`, naming the file or folder, when something is missing or damaged.
    """
    from benchmark.data.sources import cityscapes

    return open_prepared(cityscapes, config, data_paths)
