"""Rooms: rendered indoor scenes with exact labels for ten tasks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from benchmark.data.sources.rooms.scene import CLASSES, MATERIALS
from benchmark.data.sources.source import DataPaths, SourceConfig
from benchmark.data.store.files import IMAGE, Split, Store
from benchmark.data.store.writer import StoreWriter, build
from benchmark.tasks import Task

__all__ = ["SUMMARY", "TASKS", "VERSION", "Config", "open_store", "shape_and_dtype", "task_names"]

SUMMARY = "rendered rooms with exact labels for ten tasks; made on the spot, nothing to download"
VERSION = 1
"""To be raised whenever the same options come to give other arrays."""

TASKS = (
    Task(name="semantic", kind="segmentation", channels=len(CLASSES), classes=CLASSES),
    Task(name="depth", kind="regression", channels=1, encoding="depth", unit="m"),
    Task(name="normal", kind="direction", channels=3),
    Task(name="edge", kind="binary", channels=1),
    Task(name="reshading", kind="regression", channels=1),
    Task(name="albedo", kind="regression", channels=3),
    Task(name="curvature", kind="regression", channels=2, unit="1/dm"),
    Task(name="keypoint", kind="regression", channels=1),
    Task(name="material", kind="segmentation", channels=len(MATERIALS), classes=MATERIALS),
    Task(name="saliency", kind="binary", channels=1),
)

NOTES = (
    "semantic: class of the surface at the pixel centre; mirrors are void",
    "depth: distance along the optical axis (z), in metres, exact everywhere, mirrors included",
    "normal: unit normal of the visible surface in the camera frame, facing the camera",
    "edge: 1 on the nearer of two neighbouring pixels of different bodies when neither surface's "
    "tangent plane explains the other's depth within 4 %",
    "reshading: cosine of the incidence of a white headlight 0.2 m above the camera, no shadows",
    "albedo: linear reflectance; mirrors have none and are invalid",
    "curvature: principal curvatures, larger first, in 1/dm, clipped at 1 (a radius of 0.1 m)",
    "keypoint: Gaussian heat (standard deviation: one pixel, or 1/50 of the width if larger) at "
    "the visible corners of the room and of large boxes",
    "material: kind of texture at the pixel centre; mirrors are void",
    "saliency: 1 on things, 0 on the room (wall, floor, ceiling, door, window, rug, pillar)",
)
"""What each task's labels mean; kept in the manifest of a store."""


class Config(SourceConfig):
    """Options of the rooms."""

    name: Literal["rooms"] = "rooms"
    train: int = Field(1200, ge=1, le=10_000_000, description="training images")
    eval: int = Field(200, ge=1, le=1_000_000, description="evaluation images")
    height: int = Field(48, ge=8, le=2048, description="pixels down")
    width: int = Field(64, ge=8, le=2048, description="pixels across")
    seed: int = Field(0, ge=0, lt=2**32, description="another seed, other rooms")


def task_names(config: Config) -> tuple[str, ...]:
    """Return the names of all tasks of the rooms; options change none of them."""
    return tuple(task.name for task in TASKS)


def shape_and_dtype(task: Task, count: int, height: int, width: int) -> tuple[tuple[int, ...], str]:
    """Return the shape and dtype in which the targets of `count` images are stored."""
    if task.kind in ("segmentation", "binary"):
        return (count, height, width), "uint8"
    # Everything else is bounded by one; depth would lose millimetres to half precision.
    dtype = "float32" if task.name == "depth" else "float16"
    return (count, task.channels, height, width), dtype


def open_store(config: Config, data_paths: DataPaths) -> Store:
    """Return the rooms as a store, rendered first where the cache has none."""
    folder = data_paths.cache / "rooms" / (
        f"v{VERSION}_{config.train}+{config.eval}_{config.height}x{config.width}_seed{config.seed}")
    return build(folder, TASKS, "rooms", VERSION, config.model_dump(),
                 lambda writer: _render_into(writer, config))


def _render_into(writer: StoreWriter, config: Config) -> tuple[str, ...]:
    from benchmark.data.formats.filling import image_progress
    from benchmark.data.sources.rooms.render import render_split

    counts: dict[Split, int] = {"train": config.train, "eval": config.eval}
    with image_progress("rendering rooms", sum(counts.values())) as progress:
        for split, count in counts.items():
            arrays = {IMAGE: writer.array(split, IMAGE, (count, 3, config.height, config.width),
                                          "uint8")}
            for task in TASKS:
                shape, dtype = shape_and_dtype(task, count, config.height, config.width)
                arrays[task.name] = writer.array(split, task.name, shape, dtype)
            for rendered in render_split(arrays, config.seed, split):
                progress.advance(rendered)
    return NOTES
