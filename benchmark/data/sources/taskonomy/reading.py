"""The files of a copy, decoded image by image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats import decode
from benchmark.data.formats.reading import Reading, Targets
from benchmark.data.sources.taskonomy import rules
from benchmark.data.sources.taskonomy.survey import RGB, Copy, Survey, View
from benchmark.data.store.files import IMAGE, SPLITS, Split
from benchmark.tasks.direction.spec import to_directions
from benchmark.tasks.stored import to_classes


class TaskonomyReading(Reading):
    """A surveyed copy, read at `size`."""

    def __init__(self, copy: Copy, found: Survey, size: decode.Size) -> None:
        self._copy, self._views = copy, found.views
        self.size = size
        self.tasks = [rules.TASKS[name] for name in found.tasks]
        self.codecs = {name: rules.RULES[name].codec for name in found.tasks
                       if name in rules.RULES}
        self.names = {split: [copy.name(RGB, view) for view in found.views[split]]
                      for split in SPLITS}
        self.inputs = _Files(copy, (RGB, *found.tasks),
                             [view for split in SPLITS for view in found.views[split]])
        self.facts = {"left_out": [str(view) for view in found.left_out]}
        self._depth = next((name for name in rules.DEPTHS if name in found.tasks), None)
        unmasked = [name for name in rules.MASKED if name in found.tasks and not self._depth]
        self.marks = {"holes": "not masked"} if unmasked else {}
        self.notes = _notes(unmasked, found.left_out)

    def read(self, split: Split, rows: range) -> Iterator[Targets]:
        return (self._targets(self._views[split][row]) for row in rows)

    def _targets(self, view: View) -> Targets:
        path = self._copy.path(RGB, view)
        image = decode.read_image(path)
        height, width = image.shape[1:]
        stored = {task.name: self._stored(task.name, view, path, (height, width))
                  for task in self.tasks}
        holes = rules.holes(stored[self._depth]) if self._depth else None
        return {IMAGE: decode.resize_image(image, self.size),
                **{name: self._target(name, view, raw, holes) for name, raw in stored.items()}}

    def _stored(self, task: str, view: View, image: Path, size: decode.Size) -> NDArray[Any]:
        """The numbers of a label file at the size that is read, classes for the segmentation.

        The nearest pixel is taken from all files alike, so masking afterwards is the same as
        masking at full size.
        """
        path = self._copy.path(task, view)
        if task == rules.SEMANTIC:
            raw: NDArray[Any] = decode.read_index(path)
            decode.check_size(path, raw, image, size)
            raw = to_classes(path, raw, rules.CLASS_OF_VALUE)
        else:
            rule = rules.RULES.get(task)
            raw = (decode.read_png(path, rule.bits, rule.file_channels)[:len(rule.mean)] if rule
                   else decode.read_png(path, 8, 3))
            decode.check_size(path, raw, image, size)
        return decode.resize_label(raw, self.size)

    def _target(self, task: str, view: View, raw: NDArray[Any],
                holes: NDArray[np.bool_] | None) -> NDArray[Any]:
        if task == rules.SEMANTIC:
            return raw
        if task == rules.NORMAL:
            target = to_directions(
                self._copy.path(task, view), raw, 1 / rules.NORMAL_DEVIATION,
                -rules.NORMAL_MEAN / rules.NORMAL_DEVIATION, rules.NO_NORMAL)
        else:
            target = rules.RULES[task].values(raw)
        if holes is not None and task in rules.MASKED:
            target[:, holes] = 0 if task == rules.NORMAL else np.nan
        return target


class _Files(Sequence[Path]):
    """The paths of all files, made when asked for: there are millions of them."""

    def __init__(self, copy: Copy, folders: Sequence[str], views: Sequence[View]) -> None:
        self._copy, self._folders, self._views = copy, folders, views

    def __len__(self) -> int:
        return len(self._views) * len(self._folders)

    def __getitem__(self, index: Any) -> Any:
        view, folder = divmod(index, len(self._folders))
        return self._copy.path(self._folders[folder], self._views[view])


def _notes(unmasked: Sequence[str], left_out: Sequence[View]) -> list[str]:
    notes = []
    if unmasked:
        notes.append("only depth_zbuffer or depth_euclidean tell where the scan has holes; without "
                     f"them these are not masked there: {', '.join(unmasked)}")
    if left_out:
        notes.append(f"{len(left_out)} images are left out, the first is {left_out[0]}; "
                     "source.left_out lists them")
    return notes
