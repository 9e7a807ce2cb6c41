"""The reader of a copy, which decodes its files image by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.reader import DatasetReader, Targets
from benchmark.data.sources.taskonomy import tasks
from benchmark.data.sources.taskonomy.files import RGB, FilePaths, FoundViews, View
from benchmark.data.store.files import IMAGE, SPLITS, Split
from benchmark.tasks.direction.spec import to_directions
from benchmark.tasks.stored import to_classes


class TaskonomyReader(DatasetReader):
    """Reader of the images of a copy and their labels, at `size`, with the semantic `classes`."""

    def __init__(self, paths: FilePaths, found: FoundViews, size: decode.Size,
                 classes: tuple[str, ...]) -> None:
        self._paths, self._views = paths, found.views
        self.size = size
        self._class_of_value = tasks.class_of_value(classes)
        known = tasks.tasks_with(classes)
        self.tasks = [known[name] for name in found.tasks]
        self.codecs = {name: tasks.SCALINGS[name].codec for name in found.tasks
                       if name in tasks.SCALINGS}
        self.names = {split: [paths.name(RGB, view) for view in found.views[split]]
                      for split in SPLITS}
        self.inputs = _Files(paths, (RGB, *found.tasks),
                             [view for split in SPLITS for view in found.views[split]])
        self.facts = {"left_out": [str(view) for view in found.left_out]}
        self._depth = next((name for name in tasks.DEPTHS if name in found.tasks), None)
        unmasked = [name for name in tasks.MASKED if name in found.tasks and not self._depth]
        self.marks = {"holes": "not masked"} if unmasked else {}
        self.notes = _notes(unmasked, found.left_out)

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        return (self._targets(self._views[split][row]) for row in rows)

    def _targets(self, view: View) -> Targets:
        path = self._paths.path(RGB, view)
        image = decode.read_image(path)
        height, width = image.shape[1:]
        stored = {task.name: self._stored(task.name, view, path, (height, width))
                  for task in self.tasks}
        holes = tasks.holes(stored[self._depth]) if self._depth else None
        return {IMAGE: decode.resize_image(image, self.size),
                **{name: self._target(name, view, raw, holes) for name, raw in stored.items()}}

    def _stored(self, task: str, view: View, image: Path, size: decode.Size) -> NDArray[Any]:
        """The stored numbers of a label file, resized; classes for the segmentation.

        All files are resized to the same nearest pixels, so masking afterwards is the same as
        masking at full size.
        """
        path = self._paths.path(task, view)
        if task == tasks.SEMANTIC:
            raw: NDArray[Any] = decode.read_index(path)
            decode.check_size(path, raw, image, size)
            raw = to_classes(path, raw, self._class_of_value)
        else:
            if scaling := tasks.SCALINGS.get(task):
                raw = decode.read_png(path, scaling.bits, scaling.file_channels)
                raw = raw[:len(scaling.mean)]
            else:
                raw = decode.read_png(path, 8, 3)
            decode.check_size(path, raw, image, size)
        return decode.resize_label(raw, self.size)

    def _target(self, task: str, view: View, raw: NDArray[Any],
                holes: NDArray[np.bool_] | None) -> NDArray[Any]:
        if task == tasks.SEMANTIC:
            return raw
        if task == tasks.NORMAL:
            target = to_directions(
                self._paths.path(task, view), raw, 1 / tasks.NORMAL_DEVIATION,
                -tasks.NORMAL_MEAN / tasks.NORMAL_DEVIATION, tasks.NO_NORMAL)
        else:
            target = tasks.SCALINGS[task].values(raw)
        if holes is not None and task in tasks.MASKED:
            target[:, holes] = 0 if task == tasks.NORMAL else np.nan
        return target


class _Files(Sequence[Path]):
    """The paths of all files, built on access: there are millions of them."""

    def __init__(self, paths: FilePaths, folders: Sequence[str], views: Sequence[View]) -> None:
        self._paths, self._folders, self._views = paths, folders, views

    def __len__(self) -> int:
        return len(self._views) * len(self._folders)

    def __getitem__(self, index: Any) -> Any:
        view, folder = divmod(index, len(self._folders))
        return self._paths.path(self._folders[folder], self._views[view])


def _notes(unmasked: Sequence[str], left_out: Sequence[View]) -> list[str]:
    notes = []
    if unmasked:
        notes.append("only depth_zbuffer or depth_euclidean show where the scan has holes; without "
                     f"them these are not masked there: {', '.join(unmasked)}")
    if left_out:
        notes.append(f"{len(left_out)} images are left out, the first is {left_out[0]}; "
                     "source.left_out lists them")
    return notes
