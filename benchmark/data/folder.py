"""The user's own images: a folder of photographs and label files, described by a few lines."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, field_validator

from benchmark.data import decode
from benchmark.data.labels import LabelFiles
from benchmark.data.matching import EvalRule, Glob, Item, find_files, find_root, match
from benchmark.data.source import Places, SourceConfig
from benchmark.data.store import IMAGE, Split, Store
from benchmark.data.writing import StoreWriter, build
from benchmark.errors import DataError
from benchmark.files import digest
from benchmark.tasks import VOID

SUMMARY = "your own images and labels, described in the sequence family's file"

VERSION = 1
"""Goes up whenever the same files would give other arrays; older stores are then left alone."""


class Config(SourceConfig):
    """The `dataset:` block of a family of the user's own; see docs/your-own-images.md."""

    name: Literal["folder"] = "folder"
    root: str = Field(min_length=1, description="folder of the data: absolute, beside this file "
                                                "or below --data-root")
    images: Glob
    size: tuple[PositiveInt, PositiveInt] | None = Field(
        None, description="height and width to resize to; default: as the files are")
    tasks: dict[str, LabelFiles] = Field(min_length=1)
    split: EvalRule

    @field_validator("tasks")
    @classmethod
    def _named_well(cls, tasks: dict[str, LabelFiles]) -> dict[str, LabelFiles]:
        if IMAGE in tasks:
            raise ValueError(f"'{IMAGE}' names the images; give the task another name")
        for name in tasks:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"task '{name}': names are small letters, digits and _")
        return tasks


def task_names(config: Config) -> tuple[str, ...]:
    """The tasks the description names."""
    return tuple(config.tasks)


def open_store(config: Config, places: Places) -> Store:
    """The folder as a store, read again when a file, the description or VERSION has changed.

    Raises `DataError`, naming the file, when something is missing, damaged or does not fit;
    nothing is left behind then.
    """
    root = find_root(config.root, places.family, places.data_root)
    images = find_files(root, config.images, "images")
    labels = {task: find_files(root, files.files, f"task '{task}'")
              for task, files in config.tasks.items()}
    items = match(images, labels)
    parts = _divide(items, config.split)
    description = config.model_dump(mode="json")
    key = digest([VERSION, str(root), description, [_states(root, item) for item in items]])
    folder = places.cache / "folder" / f"{re.sub('[^A-Za-z0-9]+', '_', root.name)}-{key[:16]}"
    # Nothing that differs between machines may enter the manifest: no root, no times.
    source = {"description": {k: v for k, v in description.items() if k != "root"},
              "stems": {split: [item.stem for item in part] for split, part in parts.items()}}
    tasks = [files.task(name) for name, files in config.tasks.items()]
    return build(folder, tasks, config.name, VERSION, source,
                 lambda writer: _fill(writer, config, parts, _unmatched(images, labels)))


def _divide(items: Sequence[Item], rule: EvalRule) -> dict[Split, list[Item]]:
    chosen = rule.choose([item.stem for item in items])
    parts: dict[Split, list[Item]] = {
        "train": [item for item in items if item.stem not in chosen],
        "eval": [item for item in items if item.stem in chosen]}
    for split, part in parts.items():
        if not part:
            raise DataError(f"split: none of the {len(items)} images from {items[0].image} to "
                            f"{items[-1].image} is for {split}; change split")
    return parts


def _states(root: Path, item: Item) -> list[Any]:
    states = []
    for path in (item.image, *item.labels.values()):
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from None
        states.append([path.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns])
    return states


def _unmatched(images: Mapping[str, Path], labels: Mapping[str, Mapping[str, Path]]) -> list[str]:
    notes = []
    for task, files in labels.items():
        if left := sorted(files.keys() - images.keys()):
            notes.append(f"{task}: {len(left)} label files without an image are not used, "
                         f"the first has the stem {left[0]}")
    return notes


@dataclass(frozen=True)
class _Tally:
    """What was seen of a task, in pixels."""

    valid: int = 0
    facing_away: int = 0
    """Directions with z > 0, which few visible surfaces have: those seen at a sharp angle."""

    def __add__(self, other: _Tally) -> _Tally:
        return _Tally(self.valid + other.valid, self.facing_away + other.facing_away)


def _tally(kind: str, target: NDArray[Any]) -> _Tally:
    if kind == "direction":
        return _Tally(int(target.any(axis=0).sum()), int((target[2] > 0).sum()))
    if kind == "regression":
        return _Tally(int(np.isfinite(target).any(axis=0).sum()))
    return _Tally(int((target != VOID).sum()))


def _fill(writer: StoreWriter, config: Config, parts: Mapping[Split, Sequence[Item]],
          notes: Sequence[str]) -> list[str]:
    first = min((item for part in parts.values() for item in part), key=lambda item: item.stem)
    size = config.size or decode.read_image(first.image).shape[1:]
    found = list(notes)
    for split, part in parts.items():
        tallies = _fill_split(writer, config, split, part, (size[0], size[1]), first.image)
        for name, tally in tallies.items():
            if not tally.valid:
                raise DataError(f"task '{name}': not one pixel of the {len(part)} {split} label "
                                f"files ({part[0].labels[name]} ...) is valid; check void, "
                                "invalid and the files")
            if (share := tally.facing_away / tally.valid) > 0.5:
                found.append(f"{name}: {share:.0%} of the {split} directions point away from the "
                             "camera (z > 0); if they are surface normals, set axes")
    return found


def _fill_split(writer: StoreWriter, config: Config, split: Split, part: Sequence[Item],
                size: decode.Size, first: Path) -> dict[str, _Tally]:
    """Decode the files of a split into its arrays, several files at a time."""
    arrays = {IMAGE: writer.array(split, IMAGE, (len(part), 3, *size), "uint8")}
    for name, task in writer.tasks.items():
        indices = task.kind in ("segmentation", "binary")
        shape = (len(part), *size) if indices else (len(part), task.channels, *size)
        arrays[name] = writer.array(split, name, shape, "uint8" if indices else "float32")
        writer.files[f"{split}/{name}"] = tuple(
            "/".join(item.labels[name].parts[-2:]) for item in part)
    tallies = {name: _Tally() for name in writer.tasks}

    def decode_row(row: int) -> dict[str, _Tally]:
        decoded = _decode(config, part[row], size, first)
        for modality, values in decoded.items():
            arrays[modality][row] = values
        return {name: _tally(task.kind, decoded[name]) for name, task in writer.tasks.items()}

    with ThreadPoolExecutor(max(2, min(8, os.cpu_count() or 2))) as pool:
        for seen in pool.map(decode_row, range(len(part))):
            for name, tally in seen.items():
                tallies[name] += tally
    return tallies


def _decode(config: Config, item: Item, size: decode.Size, first: Path) -> dict[str, NDArray[Any]]:
    """Image and targets of one item in `size`."""
    image = decode.read_image(item.image)
    height, width = image.shape[1:]
    if config.size is None and (height, width) != size:
        raise DataError(f"{item.image} is {height} x {width}, {first} is {size[0]} x {size[1]} "
                        "(height x width); images must have one size: write size: "
                        "[height, width] to have them resized")
    result: dict[str, NDArray[Any]] = {IMAGE: decode.resize_image(image, size)}
    for name, files in config.tasks.items():
        target = files.read(item.labels[name], item.image, (height, width))
        result[name] = decode.resize_label(target, size)
    return result
