"""Taskonomy, the tiny split: photographs of 35 buildings with ten kinds of labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt

from benchmark.data.formats.reader import DatasetReader, Layout
from benchmark.data.sources.prepared import PreparedConfig, open_prepared
from benchmark.data.sources.source import DataPaths
from benchmark.data.sources.taskonomy.files import (
    RGB,
    TINY,
    FilePaths,
    Missing,
    Part,
    choose_buildings,
    find_views,
)
from benchmark.data.sources.taskonomy.reader import TaskonomyReader
from benchmark.data.sources.taskonomy.tasks import CLASSES, TASKS, VTM_CLASSES
from benchmark.data.store.files import Store

__all__ = ["FOLDERS", "LAYOUTS", "SUMMARY", "VERSION", "Config", "open_store", "task_names"]

SUMMARY = "Taskonomy (tiny split): indoor photographs of 35 buildings with ten kinds of labels"
VERSION = 1
"""To be raised whenever the same files come to give other arrays."""
FOLDERS: Sequence[str] = ("taskonomy", "Taskonomy", "taskonomy_tiny")


class Config(PreparedConfig):
    """Options of Taskonomy."""

    name: Literal["taskonomy"] = "taskonomy"
    size: tuple[PositiveInt, PositiveInt] = Field(
        (256, 256), description="height and width in pixels; images and labels are resized to it")
    buildings: tuple[str, ...] = Field(
        (), description="buildings of the tiny split to use, each in its own part; empty: all")
    eval: Part = Field("test", description="which part of the tiny split is for evaluation")
    skip: tuple[str, ...] = Field(
        (), description="what to leave out: buildings, or images like hanson/point_3_view_1")
    classes: Literal["all", "vtm"] = Field(
        "all", description="classes of the segmentation: background and 16 objects, or the 12 "
        "objects of VTM (ICLR 2023), all else being invalid")
    missing: Missing = Field(
        "refuse", description="an image without a file of some task: an error, or left out")


def task_names(config: Config) -> tuple[str, ...]:
    """Return all tasks that can be read; a copy has labels for those whose folders it has."""
    return tuple(TASKS)


def open_store(config: Config, data_paths: DataPaths) -> Store:
    """Return the store of the copy below the data root, prepared first when there is none.

    Raises `DataError`, naming the file or folder, when something is missing or damaged.
    """
    from benchmark.data.sources import taskonomy

    return open_prepared(taskonomy, config, data_paths)


def _find(form: str, path: Path) -> Path | None:
    paths = FilePaths(path, form)
    folders = (paths.folder(RGB, building) for building in TINY)
    return next((folder for folder in folders if folder.is_dir()), None)


def _open(form: str, path: Path, config: Config) -> DatasetReader:
    paths = FilePaths(path, form)
    buildings = choose_buildings(config.buildings, config.eval, config.skip)
    found = find_views(paths, buildings, config.skip, config.missing)
    classes = CLASSES if config.classes == "all" else VTM_CLASSES
    return TaskonomyReader(paths, found, config.size, classes)


def _layout(name: str, form: str, whose: str) -> Layout:
    example = form.format(task=RGB, building="hanson")
    return Layout(name, f"{example}/point_0_view_0_domain_rgb.png, ... ({whose})",
                  partial(_find, form), partial(_open, form))


LAYOUTS: Sequence[Layout] = (
    _layout("official", "{task}/{building}", "the owners' description, MultiMAE, taskgrouping"),
    _layout("omnidata", "{task}/taskonomy/{building}", "what omnitools.download writes"),
    _layout("buildings", "{building}/{task}", "the archives unpacked building by building"),
)
