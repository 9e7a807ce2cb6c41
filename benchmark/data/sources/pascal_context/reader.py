"""The reader of a copy, which places every image undistorted in one of the chosen size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.reader import DatasetReader, Targets
from benchmark.data.sources.pascal_context.files import CONTEXT, LISTS, find_copy_files
from benchmark.data.sources.pascal_context.labels import (
    find_class_names,
    read_context,
    read_parts,
    read_table_of_normals,
    require_thinning,
    semantic_edges,
)
from benchmark.data.sources.pascal_context.tasks import (
    EDGE,
    HUMAN_PARTS,
    NORMALS,
    SAL,
    SEMSEG,
    TASKS,
)
from benchmark.data.store.files import IMAGE, SPLITS, Split
from benchmark.errors import DataError
from benchmark.tasks import VOID
from benchmark.tasks.direction.spec import to_directions
from benchmark.tasks.stored import to_classes

if TYPE_CHECKING:
    from benchmark.data.sources.pascal_context import Config

NormalsOption = Literal["nyu classes", "everywhere"]

_MEAN_COLOUR = np.array([[[124]], [[116]], [[104]]], np.uint8)
"""ImageNet's mean colour, which is 0 once images are normalised."""

_SIGNS = (-1, -1, -1)
"""Signs from the frame of the files (x left, y up, z towards the camera) to right, down, away."""

_CLASS_OF_VALUE = {index: index for index in range(SEMSEG.channels)} | {VOID: VOID}


class PascalContextReader(DatasetReader):
    """Reader of the images of a copy and the labels it has."""

    def __init__(self, root: Path, config: Config) -> None:
        """List the files. Raises `DataError`, naming the file, when one is missing."""
        self._copy = find_copy_files(root)
        self._axes = [a * b for a, b in zip(_SIGNS, config.normal_axes, strict=True)]
        self._has_normals: NDArray[np.bool_] | None = None
        labels = self._copy.labels
        inputs = [root / LISTS[split] for split in SPLITS]
        if EDGE.name in labels:
            require_thinning()  # raises before any file is decoded
        if NORMALS.name in labels and config.normals == "nyu classes":
            if EDGE.name not in labels:
                raise DataError(f"{root / CONTEXT} is missing; normals count only at context "
                                "classes that NYUv2 has too, and it holds these. Copy it, or say "
                                "--set normals=everywhere")
            inputs.append(find_class_names(root))
            self._has_normals = read_table_of_normals(inputs[-1])
        elif NORMALS.name in labels:
            self.marks = {NORMALS.name: config.normals}
        self.tasks = [task for name, task in TASKS.items() if name in labels]
        self.size = config.size
        self.names = {split: [self._copy.images[name].relative_to(root).as_posix()
                              for name in self._copy.ids[split]] for split in SPLITS}
        self.inputs = inputs + [files[name] for files in (self._copy.images, *labels.values())
                                for split in SPLITS for name in self._copy.ids[split]]
        if distilled := [name for name in (SAL.name, NORMALS.name) if name in labels]:
            self.notes = [f"{' and '.join(distilled)}: made by networks, not by people"]

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        return (self._targets(self._copy.ids[split][row]) for row in rows)

    def _targets(self, name: str) -> Targets:
        path = self._copy.images[name]
        image = decode.read_image(path)
        height, width = image.shape[1:]
        inner = fitted_size((height, width), self.size)
        result = {IMAGE: letterbox(decode.resize_image(image, inner), self.size, _MEAN_COLOUR)}
        for task, label in self._labels(name, path, (height, width)).items():
            fill = 0 if task == NORMALS.name else VOID
            result[task] = letterbox(decode.resize_label(label, inner), self.size, fill)
        return result

    def _labels(self, name: str, image: Path, size: decode.Size) -> dict[str, NDArray[Any]]:
        """The targets of an image at its own size."""
        files = {task: found[name] for task, found in self._copy.labels.items()}
        labels: dict[str, NDArray[Any]] = {}
        if path := files.get(SEMSEG.name):
            labels[SEMSEG.name] = to_classes(path, _index(path, image, size),
                                                    _CLASS_OF_VALUE)
        if path := files.get(HUMAN_PARTS.name):
            labels[HUMAN_PARTS.name] = read_parts(path, image, size)
        if path := files.get(SAL.name):
            labels[SAL.name] = (_index(path, image, size) > 255 / 2).astype(np.uint8)
        if path := files.get(NORMALS.name):
            labels[NORMALS.name] = self._normals(path, image, size)
        if path := files.get(EDGE.name):
            classes = read_context(path, image, size)
            labels[EDGE.name] = semantic_edges(classes)
            if self._has_normals is not None:
                labels[NORMALS.name][:, ~self._has_normals[classes]] = 0
        return labels

    def _normals(self, path: Path, image: Path, size: decode.Size) -> NDArray[np.float32]:
        colours = decode.read_png(path, bits=8, channels=3)
        decode.check_size(path, colours, image, size)
        return to_directions(path, colours, 2 / 255, -1, axes=self._axes)


def _index(path: Path, image: Path, size: decode.Size) -> NDArray[np.uint8]:
    stored = decode.read_index(path)
    decode.check_size(path, stored, image, size)
    return stored


def open_copy(path: Path, config: Config) -> DatasetReader:
    """Open the copy in the folder `path`.

    Raises `DataError`, naming the file, when one is missing.
    """
    return PascalContextReader(path, config)


def fitted_size(size: decode.Size, room: decode.Size) -> decode.Size:
    """Return the size of an image in `room`: its own, or scaled down until it fits."""
    if size[0] <= room[0] and size[1] <= room[1]:
        return size
    (height, width), (most, widest) = size, room
    if height * widest >= width * most:
        return most, _scaled(width, most, height)
    return _scaled(height, widest, width), widest


def _scaled(length: int, new: int, old: int) -> int:
    """`length` * `new` / `old`, rounded, at least 1."""
    return max(1, (2 * length * new + old) // (2 * old))


def letterbox(array: NDArray[Any], room: decode.Size, fill: ArrayLike) -> NDArray[Any]:
    """Place an array [..., h, w] in the upper left of [..., H, W], with `fill` around it."""
    height, width = array.shape[-2:]
    placed = np.full((*array.shape[:-2], *room), fill, dtype=array.dtype)
    placed[..., :height, :width] = array
    return placed
