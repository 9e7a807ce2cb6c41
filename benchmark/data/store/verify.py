"""What a store holds: is every byte as it was written, every value one its task may have?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.formats.filling import portions
from benchmark.data.store.files import IMAGE, SPLITS, Split, Store
from benchmark.data.store.writer import content_hash
from benchmark.errors import DataError
from benchmark.tasks import VOID, Task
from benchmark.tasks.registry import find_kind

_KEPT = 1 << 20
"""Values of a map kept for its quantiles; of a larger map every k-th."""


@dataclass
class Findings:
    """Statistics of one task in one split, and what is wrong with it."""

    task: Task
    split: Split
    images: int
    valid_percent: float
    values: dict[str, float] = field(default_factory=dict)
    """Class shares in percent of the valid pixels, or quantiles in the task's unit."""
    wrong: str = ""


def verify(store: Store, report: Callable[[str], None] = lambda array: None) -> list[Findings]:
    """Hash every array again and look at every value; `report` is called with each array's name.

    Raises `DataError` naming the first file that is not as it was written, or holds a value its
    task cannot have.
    """
    for key, info in sorted(store.manifest.arrays.items()):
        report(key)
        split, modality = key.split("/")
        if content_hash(store.array("train" if split == "train" else "eval",
                                    modality)) != info.sha256:
            raise DataError(f"{store.folder / key}.npy is not what was written (its sha256 differs "
                            f"from the manifest's); delete {store.folder} and prepare it again")
    found = list(statistics(store))
    for each in found:
        if each.wrong:
            raise DataError(f"{store.folder / each.split / each.task.name}.npy: {each.wrong}; "
                            f"delete {store.folder} and prepare it again")
    return found


def statistics(store: Store) -> Iterator[Findings]:
    """Ranges and statistics of every task and split."""
    for task in store.tasks.values():
        for split in SPLITS:
            yield _Scan(task, split).over(store)


class _Scan:
    """One pass over one array."""

    def __init__(self, task: Task, split: Split) -> None:
        self.task, self.split, self.spec = task, split, find_kind(task.kind).spec
        self.counts = np.zeros(256, np.int64)
        self.kept: list[NDArray[Any]] = []
        self.low, self.high = np.inf, -np.inf
        self.pixels = self.valid = 0
        self.wrong = ""

    def over(self, store: Store) -> Findings:
        array = store.array(self.split, self.task.name)
        step = max(1, array.size // _KEPT)
        for part in portions(array, store.codec(self.split, self.task.name)):
            values = np.asarray(part)
            valid = self.task.valid(values)
            self.pixels, self.valid = self.pixels + valid.size, self.valid + int(valid.sum())
            if self.spec.labels:
                self.counts += np.bincount(values.ravel(), minlength=256)
            else:
                self._maps(values.astype(np.float32), valid, step)
        found = self._shares() if self.spec.labels else self._statistics()
        return Findings(self.task, self.split, len(array), 100 * self.valid / max(self.pixels, 1),
                        found, self.wrong)

    def _maps(self, values: NDArray[np.float32], valid: NDArray[np.bool_], step: int) -> None:
        known = values.transpose(0, 2, 3, 1)[valid]
        if known.size:
            self.low, self.high = min(self.low, known.min()), max(self.high, known.max())
            self.wrong = self.wrong or self.spec.fault(self.task, known)
            self.kept.append(known[::step])

    def _shares(self) -> dict[str, float]:
        """Share of each label in percent of the valid pixels."""
        names = self.spec.label_names(self.task)
        beyond = np.flatnonzero(self.counts[len(names):VOID]) + len(names)
        if beyond.size:
            self.wrong = f"the label {beyond[0]} of {len(names)} classes"
        return {name: 100 * int(count) / max(self.valid, 1)
                for name, count in zip(names, self.counts, strict=False)}

    def _statistics(self) -> dict[str, float]:
        if not self.kept:
            return {}
        limits = float(self.low), float(self.high)
        return self.spec.statistics(self.task, np.concatenate(self.kept), limits)


def summary(store: Store) -> dict[str, Any]:
    """What the manifest says, for people: sizes, counts, tasks, where it came from."""
    made = store.manifest
    image = store.array("train", IMAGE)
    return {"data set": made.name, "folder": str(store.folder), "fingerprint": made.fingerprint,
            "version": made.version, "images": dict(made.images),
            "size": list(image.shape[-2:]),
            "bytes": sum(store.array(split, name).nbytes for split in SPLITS
                         for name in (IMAGE, *store.tasks)),
            "tasks": {task.name: _form(store, task) for task in store.tasks.values()},
            "marks": made.marks, "source": made.source, "notes": list(made.notes)}


def _form(store: Store, task: Task) -> dict[str, Any]:
    info = store.manifest.arrays[f"train/{task.name}"]
    form: dict[str, Any] = {"kind": task.kind, "channels": task.channels, "unit": task.unit,
                            "encoding": task.encoding, "stored as": info.dtype}
    if info.codec:
        form["codes"] = info.codec.model_dump()
    return form
