"""The exemplar buffer: a budget in bytes, and an unbiased choice over all tasks of its samples.

Images are kept as uint8, maps as float16 (a depth loses less than 0.05 %, invalid pixels stay
invalid), outputs at feature resolution. A budget in images, such as the 50 of HAD's released
reservoir, would count a class map and three channels of normals alike.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.data.loading.array_loader import pixels

IMAGE, TARGET, OUTPUT = "image", "target", "output"
"""Parts of a sample: uint8 [3, H, W]; uint8 [H, W] or float16 [C, H, W]; float16 [C, h, w],
the raw output at feature resolution."""

_LARGEST = torch.finfo(torch.float16).max
_KEY_BYTES = 8


@dataclass(frozen=True)
class Sample:
    """One exemplar of a task."""

    key: float
    """In [0, 1): samples with the smallest keys are kept."""
    parts: dict[str, Tensor]

    @property
    def bytes(self) -> int:
        """Bytes that count against the budget, those of the key included."""
        return _KEY_BYTES + sum(part.numel() * part.element_size() for part in self.parts.values())


@dataclass(frozen=True)
class Exemplars:
    """Some samples of one task, in the form a training step needs."""

    task: str
    parts: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.parts[IMAGE])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        height, width = self.parts[IMAGE].shape[-2:]
        return height, width

    @property
    def images(self) -> Tensor:
        """[n, 3, H, W] in [0, 1]."""
        return pixels(self.parts[IMAGE])

    @property
    def targets(self) -> Tensor:
        """As `benchmark.tasks.Task` defines them."""
        targets = self.parts[TARGET]
        return targets.float() if targets.is_floating_point() else targets

    @property
    def outputs(self) -> Tensor:
        """Raw outputs, float32 [n, C, h, w]."""
        return self.parts[OUTPUT].float()


class Buffer:
    """Samples of all tasks that together stay within `budget` bytes.

    One reservoir over all tasks: every sample has a random key, and those of the smallest keys
    that fit together are kept (bottom-k sampling). So each sample ever added is as likely to be in
    the buffer as any other, in whatever order they were added; where bytes differ, only the last
    place favours small samples. With `quotas`, each of t tasks may fill `budget` // t bytes
    instead, and keeps its own samples of the smallest keys.
    """

    def __init__(self, budget: int, quotas: bool = False) -> None:
        self.budget, self.quotas = budget, quotas
        self.samples: dict[str, list[Sample]] = {}
        """By task, in order of learning; those of a task by key."""
        self._bytes: dict[str, int] = {}
        self._limit = 1.0
        """The smallest key that was ever removed: samples with larger keys are not kept."""

    def __len__(self) -> int:
        return sum(map(len, self.samples.values()))

    @property
    def bytes(self) -> int:
        """Bytes of all samples, which are those of the tensors in `state_dict`."""
        return sum(self._bytes.values())

    def accepts(self, key: float) -> bool:
        """Whether a sample with this key may be kept."""
        return key < self._limit

    def add(self, task: str, sample: Sample) -> None:
        """Keep the sample if its key is small enough, and remove what then exceeds the budget."""
        samples = self.samples.setdefault(task, [])
        self._bytes.setdefault(task, 0)
        if self.accepts(sample.key):
            insort(samples, sample, key=lambda kept: kept.key)
            self._bytes[task] += sample.bytes
        while excess := self._task_in_excess():
            removed = self.samples[excess].pop()
            self._bytes[excess] -= removed.bytes
            if not self.quotas:
                self._limit = removed.key

    def _task_in_excess(self) -> str:
        """The task whose last sample must be removed, '' for none."""
        if self.quotas:
            quota = self.budget // len(self.samples)
            return next((task for task, used in self._bytes.items() if used > quota), "")
        if self.bytes <= self.budget:
            return ""
        return max((samples[-1].key, task) for task, samples in self.samples.items()
                   if samples)[1]

    def all_of(self, task: str) -> Exemplars:
        """All samples of a task that has at least one."""
        return _stacked(task, self.samples[task])

    def sample(self, count: int) -> list[Exemplars]:
        """`count` different samples (all, if there are fewer), each as likely as any other, drawn
        with torch's global CPU generator; grouped by task."""
        chosen = torch.randperm(len(self))[:count].tolist()
        groups, start = [], 0
        for task, samples in self.samples.items():
            own = [samples[index - start] for index in chosen
                   if 0 <= index - start < len(samples)]
            start += len(samples)
            if own:
                groups.append(_stacked(task, own))
        return groups

    def state_dict(self) -> dict[str, Any]:
        """Everything, as tensors and JSON values."""
        keys = {task: torch.tensor([sample.key for sample in samples], dtype=torch.float64)
                for task, samples in self.samples.items()}
        return {"limit": self._limit, "keys": keys,
                "parts": {task: self.all_of(task).parts if samples else {}
                          for task, samples in self.samples.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._limit, parts = state["limit"], state["parts"]
        self.samples = {
            task: [Sample(key, {name: values[row] for name, values in parts[task].items()})
                   for row, key in enumerate(keys.tolist())]
            for task, keys in state["keys"].items()}
        self._bytes = {task: sum(sample.bytes for sample in samples)
                       for task, samples in self.samples.items()}


def _stacked(task: str, samples: Sequence[Sample]) -> Exemplars:
    parts = samples[0].parts
    with torch.autocast(parts[IMAGE].device.type, enabled=False):  # it cannot stack float16
        return Exemplars(task, {name: torch.stack([sample.parts[name] for sample in samples])
                                for name in parts})


def compact(values: Tensor) -> Tensor:
    """Values as they are stored: integers unchanged, others as float16 (NaN stays NaN)."""
    if not values.is_floating_point():
        return values
    return values.float().clamp(-_LARGEST, _LARGEST).half()
