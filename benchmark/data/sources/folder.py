"""The user's own images: a folder of photographs and label files, described by a few lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import Field, field_validator

from benchmark.data.formats import decode
from benchmark.data.formats.filling import fill
from benchmark.data.formats.labels import LabelFiles
from benchmark.data.formats.matching import EvalRule, Glob, Item, find_files, find_root, match
from benchmark.data.formats.reader import DatasetReader, Targets
from benchmark.data.sources.source import DataPaths, Pixels, SourceConfig
from benchmark.data.store.files import IMAGE, SPLITS, Split, Store
from benchmark.data.store.writer import StoreWriter, build
from benchmark.errors import DataError, shortened
from benchmark.files import digest
from benchmark.tasks.task import LONGEST_NAME

SUMMARY = "your own images and labels, described in the sequence family's file"

VERSION = 2
"""To be raised whenever the same files come to give other arrays; older stores are then unused."""


class Config(SourceConfig):
    """Options of a folder of images: the `dataset:` block; see docs/your-own-images.md."""

    name: Literal["folder"] = "folder"
    root: str = Field(min_length=1, description="folder of the data: absolute, or "
                                                "relative to this file or to --data-root")
    images: Glob
    size: tuple[Pixels, Pixels] | None = Field(
        None, description="height and width to resize to; default: as the files are")
    tasks: dict[str, LabelFiles] = Field(min_length=1)
    split: EvalRule

    @field_validator("tasks")
    @classmethod
    def _named_well(cls, tasks: dict[str, LabelFiles]) -> dict[str, LabelFiles]:
        if IMAGE in tasks:
            raise ValueError(f"'{IMAGE}' names the images; give the task another name")
        for name in tasks:
            if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}", name):
                raise ValueError(f"task '{shortened(name)}': names are small letters, digits and "
                                 f"_, {LONGEST_NAME} at most")
        return tasks

    def named_kinds(self) -> dict[str, str]:
        return {name: files.kind for name, files in self.tasks.items()}


def task_names(config: Config) -> tuple[str, ...]:
    """Return the tasks the options name."""
    return tuple(config.tasks)


def open_store(config: Config, data_paths: DataPaths) -> Store:
    """Return the folder's store, made again when a file, the options or VERSION have changed.

    Raises `DataError`, naming the file, when something is missing, damaged or does not fit; no
    store is left behind then.
    """
    root = find_root(config.root, data_paths.family, data_paths.data_root)
    images = find_files(root, config.images, "images")
    labels = {task: find_files(root, files.files, f"task '{task}'")
              for task, files in config.tasks.items()}
    items = match(images, labels)
    parts = _divide(items, config.split)
    description = config.model_dump(mode="json")
    key = digest([VERSION, str(root), description, [_file_states(root, item) for item in items]])
    folder = data_paths.cache / "folder" / f"{re.sub('[^A-Za-z0-9]+', '_', root.name)}-{key[:16]}"
    # Nothing that differs between machines may enter the manifest: no root, no times.
    source = {"description": {k: v for k, v in description.items() if k != "root"},
              "stems": {split: [item.stem for item in part] for split, part in parts.items()}}
    reader = _FolderReader(config, root, parts, _unmatched(images, labels))
    return build(folder, reader.tasks, config.name, VERSION, source,
                 lambda writer: _fill(writer, reader), resume_key=key[:16])


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


def _file_states(root: Path, item: Item) -> list[Any]:
    """Path, size and time of modification of every file of an item."""
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


class _FolderReader(DatasetReader):
    """Reader of the images and label files that the options name."""

    def __init__(self, config: Config, root: Path, parts: Mapping[Split, Sequence[Item]],
                 notes: Sequence[str]) -> None:
        self._config, self._parts = config, parts
        self.tasks = [files.task(name) for name, files in config.tasks.items()]
        self.names = {split: [item.image.relative_to(root).as_posix() for item in part]
                      for split, part in parts.items()}
        self.inputs = [path for part in parts.values() for item in part
                       for path in (item.image, *item.labels.values())]
        self.notes = notes
        self._first = min((item for part in parts.values() for item in part),
                          key=lambda item: item.stem).image
        height, width = config.size or decode.read_image(self._first).shape[1:]
        self.size = (height, width)

    def label_files(self, split: Split, task: str) -> tuple[str, ...]:
        """Return the names of a task's label files in messages."""
        return tuple("/".join(item.labels[task].parts[-2:]) for item in self._parts[split])

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        return (self._decode(self._parts[split][row]) for row in rows)

    def _decode(self, item: Item) -> dict[str, NDArray[Any]]:
        image = decode.read_image(item.image)
        height, width = image.shape[1:]
        if self._config.size is None and (height, width) != self.size:
            raise DataError(f"{item.image} is {height} x {width}, {self._first} is {self.size[0]} "
                            f"x {self.size[1]} (height x width); images must have one size: write "
                            "size: [height, width] to have them resized")
        result: dict[str, NDArray[Any]] = {IMAGE: decode.resize_image(image, self.size)}
        for name, files in self._config.tasks.items():
            target = files.read(item.labels[name], item.image, (height, width))
            result[name] = decode.resize_label(target, self.size)
        return result


def _fill(writer: StoreWriter, reader: _FolderReader) -> list[str]:
    for split in SPLITS:
        for task in reader.tasks:
            writer.files[f"{split}/{task.name}"] = reader.label_files(split, task.name)
    return fill(writer, reader, "reading your images")
