"""What methods compute with: losses, distances, groups and geometry of a task by its kind.

Shapes: raw is the network's output [B, C, H, W] before any activation, in fp32 or better;
targets are as `benchmark.tasks.Task` defines them; maps are [B, H, W].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.tasks.metric import NOT_FINITE
from benchmark.tasks.registry import find_kind
from benchmark.tasks.task import VOID, Task

TWO_GROUPS = (0.5,)
"""Inner edges on the min-max scaled teacher map that cut it into two groups (HAD, delta)."""


class Kind(ABC):
    """One task seen through its kind. Subclasses hold no state but the task.

    A kind of maps needs `loss_map` and `statistics`; the rest defaults to what holds for maps
    whose raw output is the prediction.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.invalid: float = find_kind(task.kind).spec.invalid
        """The value that marks a pixel of a target as invalid."""

    def valid(self, target: Tensor) -> Tensor:
        """Bool [B, H, W]: pixels that count in losses and metrics."""
        return target != VOID if target.dim() == 3 else target.isfinite().all(1)

    @abstractmethod
    def loss_map(self, raw: Tensor, target: Tensor) -> Tensor:
        """Supervised loss per pixel [B, H, W], 0 (and without gradient) where not valid."""

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Mean supervised loss over the valid pixels of the batch; 0 when there is none."""
        return self.loss_map(raw, target).sum() / self.valid(target).sum().clamp(min=1)

    def distance(self, raw: Tensor, teacher: Tensor, soft: bool = True,
                 temperature: float = 1.0) -> Tensor:
        """Distillation distance per pixel [B, H, W] between two raw outputs, every pixel counted.

        `soft` and `temperature` matter where outputs are distributions (segmentation, binary):
        T^2 KL(teacher || student) when soft, cross-entropy against the teacher's pseudo-label
        when not. The distance to the pseudo-label where a kind says nothing else.
        """
        return self.label_distance(raw, self.pseudo_label(teacher))

    def label_distance(self, raw: Tensor, label: Tensor) -> Tensor:
        """Distance per pixel [B, H, W] to a teacher's pseudo-label, every pixel counted."""
        return self.loss_map(raw, label)

    def pseudo_label(self, raw: Tensor) -> Tensor:
        """The raw output as a target of this task, valid everywhere."""
        return self.prediction(raw)

    def groups(self, raw: Tensor, edges: Sequence[float] = TWO_GROUPS) -> Tensor:
        """Group index [B, H, W] (int64) of every pixel by a teacher's raw output."""
        return self.label_groups(self.pseudo_label(raw), edges)

    def label_groups(self, label: Tensor, edges: Sequence[float] = TWO_GROUPS) -> Tensor:
        """Group index [B, H, W] (int64) of every pixel by a teacher's pseudo-label.

        Classes are their own groups. Other maps are cut at `edges` after min-max scaling of
        their channel mean to [0, 1] per image (HAD, section on balanced distillation).
        """
        return cut(label.mean(1), edges) if label.dim() == 4 else label.long()

    def group_count(self, edges: Sequence[float] = TWO_GROUPS) -> int:
        """How many groups `groups` distinguishes."""
        return len(edges) + 1

    @property
    def class_count(self) -> int:
        """How many classes an output distinguishes, 0 for maps."""
        return 0

    def prediction(self, raw: Tensor) -> Tensor:
        """The raw output in the task's own unit: classes, values, unit vectors, probabilities."""
        return raw

    def smooth_prediction(self, raw: Tensor) -> Tensor:
        """The prediction as maps [B, H, W] or [B, C, H, W] with a gradient: probabilities where it
        says classes."""
        return self.prediction(raw)

    @abstractmethod
    def statistics(self, raw: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Sufficient statistics per image, each [B, ...], as the kind's metrics name them."""

    def flip(self, target: Tensor) -> Tensor:
        """The target of the horizontally mirrored image."""
        return target.flip(-1)

    def zoom(self, target: Tensor, factor: float) -> Tensor:
        """Values of the target when the image is enlarged by `factor` (geometry not applied)."""
        return target

    def resize(self, target: Tensor, size: tuple[int, int]) -> Tensor:
        """The target at another size. Nearest for every kind: labels and invalid pixels never
        blend, vectors stay unit."""
        maps = target if target.dim() == 4 else target[:, None]
        resized = F.interpolate(maps.float(), size=size, mode="nearest-exact").to(target.dtype)
        return resized if target.dim() == 4 else resized[:, 0]


def cut(values: Tensor, edges: Sequence[float]) -> Tensor:
    """Group index of maps [B, H, W], min-max scaled per image and cut at `edges`.

    A pixel on an edge belongs to the group below it; a flat map is all group 0.
    """
    low = values.amin(dim=(1, 2), keepdim=True)
    span = values.amax(dim=(1, 2), keepdim=True) - low
    scaled = torch.where(span > 0, (values - low) / span.clamp(min=torch.finfo(span.dtype).tiny), 0)
    return torch.bucketize(scaled, constant(tuple(edges), values.dtype, values.device))


@cache
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Values as a tensor, which is kept: a copy to the device in each step would wait for it."""
    return torch.tensor(values, dtype=dtype, device=device)


def evaluated(kind: Kind, raw: Tensor, target: Tensor) -> dict[str, Tensor]:
    """What evaluation counts per image, [B, ...] each: the kind's statistics, and `NOT_FINITE`.

    A kind never sees an infinite or NaN output: it would count as some class, or as far away, and
    at an invalid pixel spoil the sums.
    """
    finite = raw.isfinite()
    wrong = kind.valid(target) & ~finite.all(1)
    return kind.statistics(torch.where(finite, raw, 0), target) | {
        NOT_FINITE.name: wrong.sum((1, 2))}


def kind_of(task: Task) -> Kind:
    """The kind of a task, ready to compute."""
    return find_kind(task.kind).losses(task)
