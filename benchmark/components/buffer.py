"""The store of exemplars: a budget in bytes, and one fair choice over all tasks of what it holds.

Images are kept as uint8, maps as float16 (a depth loses less than 0.05 %, invalid pixels stay
invalid), outputs as they are before they are enlarged. A budget in images, such as the 50 of HAD's
released reservoir, would not tell a class map from three channels of normals.
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
"""What a sample may hold: uint8 [3, H, W]; uint8 [H, W] or float16 [C, H, W]; float16 [C, h, w],
the raw output at feature resolution."""

_LARGEST = torch.finfo(torch.float16).max
_KEY_BYTES = 8


@dataclass(frozen=True)
class Sample:
    """One exemplar of a task."""

    key: float
    """In [0, 1): the smaller, the longer the sample stays."""
    parts: dict[str, Tensor]

    @property
    def bytes(self) -> int:
        """What the sample takes of a budget, its key included."""
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

    One reservoir over all tasks: every sample comes with a random key, and those of the smallest
    keys that fit together are kept (bottom-k sampling). So each sample ever offered is as likely
    to be there as any other, in whichever order they came; where bytes differ, the last place
    alone favours small samples. With `quotas`, each of t tasks may fill `budget` // t bytes
    instead, and keeps its own samples of the smallest keys.
    """

    def __init__(self, budget: int, quotas: bool = False) -> None:
        self.budget, self.quotas = budget, quotas
        self.samples: dict[str, list[Sample]] = {}
        """By task, oldest first; of a task, by key."""
        self._bytes: dict[str, int] = {}
        self._limit = 1.0
        """The smallest key that was ever turned away: above it, nothing has a place."""

    def __len__(self) -> int:
        return sum(map(len, self.samples.values()))

    @property
    def bytes(self) -> int:
        """Bytes of all samples, which are those of the tensors in `state_dict`."""
        return sum(self._bytes.values())

    def wants(self, key: float) -> bool:
        """Whether a sample of this key has a chance to be kept."""
        return key < self._limit

    def add(self, task: str, sample: Sample) -> None:
        """Keep the sample if its key is small enough, and let go of what then is too much."""
        shelf = self.samples.setdefault(task, [])
        self._bytes.setdefault(task, 0)
        if self.wants(sample.key):
            insort(shelf, sample, key=lambda kept: kept.key)
            self._bytes[task] += sample.bytes
        while crowded := self._crowded():
            gone = self.samples[crowded].pop()
            self._bytes[crowded] -= gone.bytes
            if not self.quotas:
                self._limit = gone.key

    def _crowded(self) -> str:
        """The task whose last sample has to go, '' for none."""
        if self.quotas:
            quota = self.budget // len(self.samples)
            return next((task for task, held in self._bytes.items() if held > quota), "")
        if self.bytes <= self.budget:
            return ""
        return max((shelf[-1].key, task) for task, shelf in self.samples.items() if shelf)[1]

    def all_of(self, task: str) -> Exemplars:
        """All samples of a task that has some."""
        return _stacked(task, self.samples[task])

    def sample(self, count: int) -> list[Exemplars]:
        """`count` different samples (all, if there are fewer), each as likely as any other, by
        torch's global CPU generator; grouped by task."""
        chosen = torch.randperm(len(self))[:count].tolist()
        groups, start = [], 0
        for task, shelf in self.samples.items():
            own = [shelf[place - start] for place in chosen if 0 <= place - start < len(shelf)]
            start += len(shelf)
            if own:
                groups.append(_stacked(task, own))
        return groups

    def state_dict(self) -> dict[str, Any]:
        """Everything, as tensors and JSON values."""
        keys = {task: torch.tensor([sample.key for sample in shelf], dtype=torch.float64)
                for task, shelf in self.samples.items()}
        return {"limit": self._limit, "keys": keys,
                "parts": {task: self.all_of(task).parts if shelf else {}
                          for task, shelf in self.samples.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self._limit, parts = state["limit"], state["parts"]
        self.samples = {
            task: [Sample(key, {name: values[row] for name, values in parts[task].items()})
                   for row, key in enumerate(keys.tolist())]
            for task, keys in state["keys"].items()}
        self._bytes = {task: sum(sample.bytes for sample in shelf)
                       for task, shelf in self.samples.items()}


def _stacked(task: str, samples: Sequence[Sample]) -> Exemplars:
    parts = samples[0].parts
    with torch.autocast(parts[IMAGE].device.type, enabled=False):  # which cannot stack float16
        return Exemplars(task, {name: torch.stack([sample.parts[name] for sample in samples])
                                for name in parts})


def compact(values: Tensor) -> Tensor:
    """Values as they are kept: integers as they are, the rest float16 (NaN stays NaN)."""
    if not values.is_floating_point():
        return values
    return values.float().clamp(-_LARGEST, _LARGEST).half()
