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
from benchmark.tasks import Task

_KEPT = 1 << 20
"""Values of a map kept for its quantiles; of a larger map every k-th."""
_LENGTHS = (0.97, 1.03)
"""Of a direction, after rounding to half precision or 8 bits."""


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


def verify(store: Store, told: Callable[[str], None] = lambda array: None) -> list[Findings]:
    """Hash every array again and look at every value; `told` hears which array is next.

    Raises `DataError` naming the first file that is not as it was written, or holds a value its
    task cannot have.
    """
    for key, info in sorted(store.manifest.arrays.items()):
        told(key)
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
        self.task, self.split = task, split
        self.counts = np.zeros(256, np.int64)
        self.kept: list[NDArray[Any]] = []
        self.low, self.high = np.inf, -np.inf
        self.pixels = self.valid = 0
        self.wrong = ""

    def over(self, store: Store) -> Findings:
        array = store.array(self.split, self.task.name)
        codec = store.codec(self.split, self.task.name)
        step = max(1, array.size // _KEPT)
        for part in portions(array):
            values = codec.decode(part) if codec else np.asarray(part)
            valid = self.task.valid(values)
            self.pixels, self.valid = self.pixels + valid.size, self.valid + int(valid.sum())
            if self.task.kind in ("segmentation", "binary"):
                self.counts += np.bincount(values.ravel(), minlength=256)
            else:
                self._maps(values.astype(np.float32), valid, step)
        return Findings(self.task, self.split, len(array), 100 * self.valid / max(self.pixels, 1),
                        self._values(), self.wrong or self._wrong_class())

    def _maps(self, values: NDArray[np.float32], valid: NDArray[np.bool_], step: int) -> None:
        known = values.transpose(0, 2, 3, 1)[valid]
        if not known.size:
            return
        self.low, self.high = min(self.low, known.min()), max(self.high, known.max())
        if self.task.kind == "direction":
            length = np.linalg.norm(known.astype(np.float64), axis=1)
            if not _LENGTHS[0] < length.min() <= length.max() < _LENGTHS[1]:
                self.wrong = f"a direction of length {length[abs(length - 1).argmax()]:.3g}"
        elif self.task.encoding == "depth" and self.low <= 0:
            self.wrong = f"a depth of {self.low:.3g}"
        elif self.task.encoding == "inverse_depth" and self.low < 0:
            self.wrong = f"an inverse depth of {self.low:.3g}"
        self.kept.append(known[::step])

    def _wrong_class(self) -> str:
        classes = 2 if self.task.kind == "binary" else self.task.channels
        beyond = np.flatnonzero(self.counts[classes:255]) + classes
        return f"the label {beyond[0]} of {classes} classes" if beyond.size else ""

    def _values(self) -> dict[str, float]:
        if self.task.kind in ("segmentation", "binary"):
            names = (("no", "yes") if self.task.kind == "binary" else
                     self.task.classes or [str(k) for k in range(self.task.channels)])
            return {name: 100 * int(count) / max(self.valid, 1)
                    for name, count in zip(names, self.counts, strict=False)}
        if not self.kept:
            return {}
        kept = np.concatenate(self.kept)
        if self.task.kind == "direction":
            x, y, z = (float(value) for value in kept.mean(0))
            return {"mean x": x, "mean y": y, "mean z": z,
                    "z < 0 in %": 100 * float((kept[:, 2] < 0).mean())}
        p1, median, p99 = (float(value) for value in np.percentile(kept, (1, 50, 99)))
        return {"min": float(self.low), "p1": p1, "median": median, "p99": p99,
                "max": float(self.high), "mean": float(kept.mean())}


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
