"""What a task kind consists of, and what holds for its tasks and targets without torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.metric import KindMetrics
from benchmark.tasks.stored import StoredValues, to_classes, to_map
from benchmark.tasks.task import VOID, Task

if TYPE_CHECKING:
    from benchmark.tasks.appearance import KindAppearance
    from benchmark.tasks.losses import Kind


_APPEARANCE = "benchmark.tasks.appearance:KindAppearance"


class KindSpec:
    """The tasks and targets of a kind; the defaults are those of maps with NaN where invalid."""

    labels: ClassVar[bool] = False
    """Whether targets are labels, uint8 [H, W] with `VOID`; otherwise maps, float [C, H, W]."""
    invalid: ClassVar[float] = math.nan
    """The value that marks a pixel of a target as invalid."""
    channels: ClassVar[int | None] = None
    """Channels of every task of the kind; None where each task has its own number."""
    encodings: ClassVar[tuple[str, ...]] = ("plain",)
    """Values of `Task.encoding`."""
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float16", "uint16")
    """Numbers a store may keep, the first by default; uint16 are codes of a `Codec`."""
    file_encodings: ClassVar[tuple[str, ...]] = ("png8", "png16", "npy")
    """Values of `StoredValues.encoding`: what label files may be."""
    file_options: ClassVar[frozenset[str]] = frozenset(
        {"channels", "scale", "offset", "invalid", "unit"})
    """The options of `StoredValues` that mean something for the kind."""

    def check(self, task: Task) -> None:
        """Raise `ValueError` unless the kind can be learnt as the task says."""
        if self.channels is not None and task.channels != self.channels:
            raise ValueError(f"{task.kind} task '{task.name}' has {self.channels} channel"
                             f"{'s' * (self.channels > 1)}, not {task.channels}")
        if task.encoding not in self.encodings:
            raise ValueError(f"encoding '{task.encoding}' is not for {task.kind}; there is "
                             f"{' or '.join(self.encodings)}")
        if task.classes and len(task.classes) != task.channels:
            raise ValueError(f"task '{task.name}': {len(task.classes)} class names for "
                             f"{task.channels} classes")

    def valid(self, task: Task, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """Bool [B, H, W]: which pixels of a batch of targets count."""
        return np.asarray(np.isfinite(targets).all(axis=1))

    def target_shape(self, task: Task, size: tuple[int, int]) -> tuple[int, ...]:
        """The shape of one target of an image of `size` (height, width)."""
        return (task.channels, *size)

    # Label files

    def check_files(self, stored: StoredValues) -> None:
        """Raise `ValueError` unless label files can be as described."""
        if stored.encoding not in self.file_encodings:
            raise ValueError(f"{stored.kind} is encoded as {' or '.join(self.file_encodings)}, "
                             f"not {stored.encoding}")
        if stored.quantity not in self.encodings:
            raise ValueError(f"quantity '{stored.quantity}' is not for {stored.kind}; there is "
                             f"{' or '.join(self.encodings)}")
        if stored.encoding == "png8" and self.file_channels(stored) not in (1, 3):
            raise ValueError("a png8 map has 1 or 3 channels; use npy files for others")
        if stored.encoding == "png16" and self.file_channels(stored) != 1:
            raise ValueError("a png16 map has 1 channel; use npy files for others")

    def file_channels(self, stored: StoredValues) -> int | None:
        """Channels of a label file; None for class indices [H, W]."""
        return self.task_channels(stored)

    def task_channels(self, stored: StoredValues) -> int:
        """Channels of the task that the label files are of."""
        return stored.channels if self.channels is None else self.channels

    def target(self, path: Path, raw: NDArray[Any], stored: StoredValues) -> NDArray[Any]:
        """Stored values [C, H, W], or [H, W] of labels, as a target.

        Raises `DataError`, naming the file, for values that the task cannot have.
        """
        return to_map(raw, stored.scale, stored.offset, stored.invalid)

    # What a store holds

    def fault(self, task: Task, known: NDArray[np.float32]) -> str:
        """What is wrong with valid values [P, C] of a map; empty when nothing is."""
        return ""

    def statistics(self, task: Task, known: NDArray[np.float32],
                   limits: tuple[float, float]) -> dict[str, float]:
        """What `data verify` prints of a map: from a sample of its valid values [P, C] and the
        least and largest of all, in `statistics_unit`."""
        p1, median, p99 = (float(value) for value in np.percentile(known, (1, 50, 99)))
        return {"min": limits[0], "p1": p1, "median": median, "p99": p99,
                "max": limits[1], "mean": float(known.mean())}

    def statistics_unit(self, task: Task) -> str:
        """The unit of the statistics of a map."""
        return task.unit

    def notes(self, task: Task, split: str, portions: Iterable[NDArray[Any]]) -> Iterator[str]:
        """Sentences for the manifest on the targets of a split, given a few at a time."""
        yield from ()

    def label_names(self, task: Task) -> tuple[str, ...]:
        """The name of every label, in the order of their values; none for maps."""
        return ()

    def group_names(self, task: Task) -> tuple[str, ...]:
        """Names of the groups that HAD (Zhang et al., CVPR 2026) balances over: labels; the two
        sides of half the range of other maps."""
        return self.label_names(task) or ("low", "high")


class LabelSpec(KindSpec):
    """The tasks and targets of a kind whose targets are labels."""

    labels = True
    invalid = VOID
    dtypes = ("uint8",)
    file_encodings = ("index", "npy")
    file_options = frozenset({"values", "void"})

    def label_names(self, task: Task) -> tuple[str, ...]:
        return task.classes or tuple(map(str, range(task.channels)))

    def valid(self, task: Task, targets: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray(targets != VOID)

    def target_shape(self, task: Task, size: tuple[int, int]) -> tuple[int, ...]:
        return size

    def label_count(self, stored: StoredValues) -> int:
        """How many labels described files have."""
        return self.task_channels(stored)

    def check_files(self, stored: StoredValues) -> None:
        super().check_files(stored)
        count = self.label_count(stored)
        for value, index in stored.values.items():
            if not 0 <= index < count:
                raise ValueError(f"values: {value} is given class {index}, the classes are 0 to "
                                 f"{count - 1}; pixels without a class belong to void")
        if twice := set(stored.void) & set(self._classes_by_value(stored)):
            raise ValueError(f"void: {min(twice)} is the value of a class too")
        for value in {*stored.values, *stored.void}:
            if stored.encoding == "index" and not 0 <= value <= 255:
                raise ValueError(f"{value} does not occur in files of 8 bits")

    def _classes_by_value(self, stored: StoredValues) -> dict[int, int]:
        """Class index of every value that is not void."""
        return stored.values or {index: index for index in range(self.label_count(stored))}

    def file_channels(self, stored: StoredValues) -> int | None:
        return None

    def target(self, path: Path, raw: NDArray[Any], stored: StoredValues) -> NDArray[Any]:
        void = dict.fromkeys(stored.void, VOID)
        return to_classes(path, raw, self._classes_by_value(stored) | void)


class TaskKind:
    """What is registered of a task kind: its name and its four parts.

    A part is a class, or names one as `module:Class`, which is imported when it is first needed;
    a module that begins with a dot lies in `package`, the `__name__` of the kind's folder. Only
    the losses may import torch.
    """

    def __init__(self, name: str, package: str = "", *, metrics: str | type[KindMetrics],
                 losses: str | type[Kind], spec: str | type[KindSpec] = KindSpec,
                 appearance: str | type[KindAppearance] = _APPEARANCE) -> None:
        self.name, self._package = name, package
        self._spec, self._metrics, self._losses, self._appearance = (
            spec, metrics, losses, appearance)

    @cached_property
    def spec(self) -> KindSpec:
        """What holds for tasks and targets."""
        made: KindSpec = self._loaded(self._spec)()
        return made

    @cached_property
    def metrics(self) -> KindMetrics:
        """Metrics and the statistics they are derived from."""
        made: KindMetrics = self._loaded(self._metrics)()
        return made

    @cached_property
    def appearance(self) -> KindAppearance:
        """Colours of targets and predictions."""
        made: KindAppearance = self._loaded(self._appearance)()
        return made

    @cached_property
    def losses(self) -> type[Kind]:
        """What methods compute with; imports torch."""
        found: type[Kind] = self._loaded(self._losses)
        return found

    def _loaded(self, part: str | type) -> Any:
        if not isinstance(part, str):
            return part
        module, _, name = part.partition(":")
        return getattr(import_module(module, self._package or None), name)
