"""Rooms: rendered indoor scenes with exact labels for ten tasks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from benchmark.data.sources.rooms.definitions import NOTES, TASKS, shape_and_dtype
from benchmark.data.sources.source import DataPaths, SourceConfig
from benchmark.data.store.files import IMAGE, Split, Store
from benchmark.data.store.writer import StoreWriter, build

__all__ = ["SUMMARY", "TASKS", "VERSION", "Config", "open_store", "task_names"]

SUMMARY = "rendered rooms with exact labels for ten tasks; made on the spot, nothing to download"
VERSION = 1
"""To be raised whenever the same options come to mean other numbers."""


class Config(SourceConfig):
    """Options of the rooms."""

    name: Literal["rooms"] = "rooms"
    train: int = Field(1200, ge=1, le=10_000_000, description="training images")
    eval: int = Field(200, ge=1, le=1_000_000, description="evaluation images")
    height: int = Field(48, ge=8, le=2048, description="pixels down")
    width: int = Field(64, ge=8, le=2048, description="pixels across")
    seed: int = Field(0, ge=0, lt=2**32, description="another seed, other rooms")


def task_names(config: Config) -> tuple[str, ...]:
    """All tasks of the rooms; options change none of them."""
    return tuple(task.name for task in TASKS)


def open_store(config: Config, places: DataPaths) -> Store:
    """The rooms as a store, rendered first when they are not there."""
    folder = places.cache / "rooms" / (
        f"v{VERSION}_{config.train}+{config.eval}_{config.height}x{config.width}_seed{config.seed}")
    return build(folder, TASKS, "rooms", VERSION, config.model_dump(),
                 lambda writer: _fill(writer, config))


def _fill(writer: StoreWriter, config: Config) -> tuple[str, ...]:
    from benchmark.data.formats.progress import counting
    from benchmark.data.sources.rooms.fill import fill

    counts: dict[Split, int] = {"train": config.train, "eval": config.eval}
    with counting("rendering rooms", sum(counts.values())) as counter:
        for split, count in counts.items():
            arrays = {IMAGE: writer.array(split, IMAGE, (count, 3, config.height, config.width),
                                          "uint8")}
            for task in TASKS:
                shape, dtype = shape_and_dtype(task, count, config.height, config.width)
                arrays[task.name] = writer.array(split, task.name, shape, dtype)
            for done in fill(arrays, config.seed, split):
                counter.add(done)
    return NOTES
