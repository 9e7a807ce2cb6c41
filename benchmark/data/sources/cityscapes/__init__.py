"""Cityscapes: 2975 training and 500 validation photographs of streets, with classes and
disparities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, PositiveInt

from benchmark.data.formats.reading import Layout
from benchmark.data.sources.cityscapes.classes import Disparity
from benchmark.data.sources.cityscapes.copies import HUB, MTAN
from benchmark.data.sources.cityscapes.official import OFFICIAL
from benchmark.data.sources.prepared import PreparedConfig, open_prepared
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store

__all__ = ["FOLDERS", "LAYOUTS", "SUMMARY", "VERSION", "Config", "open_store", "task_names"]

SUMMARY = "Cityscapes: street scenes with 7 or 19 classes and inverse depth"
VERSION = 1
"""Goes up whenever the same files would give other arrays."""
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
    """All tasks that can be read; a copy offers those whose files it has."""
    return ("semantic", "semantic19", "depth")


def open_store(config: Config, places: DataPaths) -> Store:
    """The store of the copy below the data root, prepared first when it is not there.

    Raises `DataError`, naming the file or folder, when something is missing or damaged.
    """
    from benchmark.data.sources import cityscapes

    return open_prepared(cityscapes, config, places)
