"""Segmentation: one of K classes per pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.tasks.losses import TWO_GROUPS, Kind
from benchmark.tasks.task import VOID


def likeliest(raw: Tensor) -> Tensor:
    """Class [B, H, W] (int64) of the largest logit of [B, K, H, W], the first one on ties.

    What argmax over the channels gives, without its strided search; minima of floats are fast.
    """
    last = raw.shape[1] - 1
    classes = torch.arange(last + 1.0, device=raw.device).view(1, -1, 1, 1)
    # No logit equals a maximum that is NaN: `last` keeps the index within the classes.
    return torch.where(raw == raw.amax(1, keepdim=True), classes, last).amin(1).long()


class SegmentationLosses(Kind):
    """Cross-entropy on logits [B, K, H, W]; targets uint8 [B, H, W] with `VOID`."""

    def loss_map(self, raw: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(raw, target.long(), ignore_index=VOID, reduction="none")

    def distance(self, raw: Tensor, teacher: Tensor, soft: bool = True,
                 temperature: float = 1.0) -> Tensor:
        if not soft:
            return self.label_distance(raw, likeliest(teacher))
        student = (raw / temperature).log_softmax(1)
        target = (teacher / temperature).log_softmax(1)
        return temperature**2 * (target.exp() * (target - student)).sum(1)

    def label_distance(self, raw: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(raw, label.long(), reduction="none")

    def pseudo_label(self, raw: Tensor) -> Tensor:
        return likeliest(raw).to(torch.uint8)

    def group_count(self, edges: Sequence[float] = TWO_GROUPS) -> int:
        return self.task.channels

    @property
    def class_count(self) -> int:
        return self.task.channels

    def prediction(self, raw: Tensor) -> Tensor:
        return self.pseudo_label(raw)

    def smooth_prediction(self, raw: Tensor) -> Tensor:
        return raw.softmax(1)

    def statistics(self, raw: Tensor, target: Tensor) -> dict[str, Tensor]:
        images, classes = raw.shape[:2]
        cell = target.long() * classes + likeliest(raw)
        spill = classes * classes
        cell = torch.where(self.valid(target), cell, spill).flatten(1)
        counts = torch.zeros(images, spill + 1, dtype=torch.int64, device=raw.device)
        counts.scatter_add_(1, cell, torch.ones_like(cell))
        return {"confusion": counts[:, :spill].reshape(images, classes, classes)}
