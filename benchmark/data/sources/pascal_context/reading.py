"""The files of a copy, decoded image by image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.reading import Reading, Targets
from benchmark.data.sources.pascal_context import context
from benchmark.data.sources.pascal_context.files import CONTEXT, LISTS, survey
from benchmark.data.sources.pascal_context.letterbox import fitted, place
from benchmark.data.sources.pascal_context.parts import read_parts
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

Where = Literal["nyu classes", "everywhere"]

_MEAN_COLOUR = np.array([[[124]], [[116]], [[104]]], np.uint8)
"""ImageNet's, which is 0 once images are normalised."""

_SIGNS = (-1, -1, -1)
"""From the frame of the files, x left, y up, z towards the camera, to right, down and away."""

_CLASS_OF_VALUE = {index: index for index in range(SEMSEG.channels)} | {VOID: VOID}


class PascalReading(Reading):
    """A surveyed copy, read at a size."""

    def __init__(self, root: Path, config: Config) -> None:
        """Raises `DataError`, naming the file, when one is missing."""
        self._copy = survey(root)
        self._axes = [a * b for a, b in zip(_SIGNS, config.normal_axes, strict=True)]
        self._has_normals: NDArray[np.bool_] | None = None
        offered = self._copy.labels
        inputs = [root / LISTS[split] for split in SPLITS]
        if EDGE.name in offered:
            context.thinning()  # when it is missing, that is told before any work
        if NORMALS.name in offered and config.normals == "nyu classes":
            if EDGE.name not in offered:
                raise DataError(f"{root / CONTEXT} is missing; normals count only at context "
                                "classes that NYUv2 has too, and it holds these. Copy it, or say "
                                "--set normals=everywhere")
            inputs.append(context.find_names(root))
            self._has_normals = context.has_normals(inputs[-1])
        elif NORMALS.name in offered:
            self.marks = {NORMALS.name: config.normals}
        self.tasks = [task for name, task in TASKS.items() if name in offered]
        self.size = config.size
        self.names = {split: [self._copy.images[name].relative_to(root).as_posix()
                              for name in self._copy.ids[split]] for split in SPLITS}
        self.inputs = inputs + [files[name] for files in (self._copy.images, *offered.values())
                                for split in SPLITS for name in self._copy.ids[split]]
        if distilled := [name for name in (SAL.name, NORMALS.name) if name in offered]:
            self.notes = [f"{' and '.join(distilled)}: made by networks, not by people"]

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        return (self._targets(self._copy.ids[split][row]) for row in rows)

    def _targets(self, name: str) -> Targets:
        path = self._copy.images[name]
        image = decode.read_image(path)
        height, width = image.shape[1:]
        inner = fitted((height, width), self.size)
        result = {IMAGE: place(decode.resize_image(image, inner), self.size, _MEAN_COLOUR)}
        for task, label in self._labels(name, path, (height, width)).items():
            fill = 0 if task == NORMALS.name else VOID
            result[task] = place(decode.resize_label(label, inner), self.size, fill)
        return result

    def _labels(self, name: str, image: Path, size: decode.Size) -> dict[str, NDArray[Any]]:
        """The targets of an image, as large as it is."""
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
            classes = context.read_labels(path, image, size)
            labels[EDGE.name] = context.edges(classes)
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


def open_reading(path: Path, config: Config) -> Reading:
    """The copy in the folder `path`. Raises `DataError`, naming the file, when one is missing."""
    return PascalReading(path, config)
