"""What a task's numbers in such a copy mean."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.data.store.codec import Codec
from benchmark.tasks import Task
from benchmark.tasks.registry import find_kind
from benchmark.tasks.stored import StoredValues


@dataclass(frozen=True)
class ArrayTask:
    """A task of such a copy: where its labels are and what their numbers mean."""

    task: Task
    names: tuple[str, ...]
    """Folder (mtan) or column (hub) names; the first one present is read."""
    void: tuple[int, ...] = (-1, 255)
    """Segmentation and binary: values that do not count."""
    invalid: tuple[float, ...] = (0.0,)
    """Regression: values that are no measurement."""
    codec: Codec | None = None
    """How a regression is stored; float32 without one."""
    scale: float = 1.0
    """Regression: value = number * scale + offset."""
    offset: float = 0.0
    axes: tuple[int, int, int] = (1, 1, 1)
    """Direction: signs that bring the frame to x right, y down, z away."""
    order: tuple[int, ...] = ()
    """Direction: the channels that are x, y and z, where they do not lie so; the signs come
    after."""
    limits: tuple[float, float] | None = None
    """Regression: valid numbers are at least the first and below the second."""
    hint: str = ""
    """What may be the matter with a value that is no class or beyond the limits."""

    @property
    def labels(self) -> bool:
        """Whether the values are classes."""
        return find_kind(self.task.kind).spec.labels

    @property
    def stored(self) -> StoredValues:
        """What the numbers of a map mean."""
        return StoredValues.model_validate({
            "kind": self.task.kind, "encoding": "npy", "channels": self.task.channels,
            "scale": self.scale, "offset": self.offset, "invalid": self.invalid,
            "axes": self.axes})

    @property
    def channels(self) -> int:
        """Of the copy's arrays: one for classes, however many there are."""
        return 1 if self.labels else self.task.channels
