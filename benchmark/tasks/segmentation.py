"""Segmentation: one of K classes per pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.tasks.kinds import TWO_GROUPS, Kind
from benchmark.tasks.task import VOID


class Segmentation(Kind):
    """Cross-entropy on logits [B, K, H, W]; targets uint8 [B, H, W] with `VOID`."""

    invalid = VOID

    def valid(self, target: Tensor) -> Tensor:
        return target != VOID

    def loss_map(self, raw: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(raw, target.long(), ignore_index=VOID, reduction="none")

    def distance(self, raw: Tensor, teacher: Tensor, soft: bool = True,
                 temperature: float = 1.0) -> Tensor:
        if not soft:
            return F.cross_entropy(raw, teacher.argmax(1), reduction="none")
        student = (raw / temperature).log_softmax(1)
        target = (teacher / temperature).log_softmax(1)
        return temperature**2 * (target.exp() * (target - student)).sum(1)

    def pseudo_label(self, raw: Tensor) -> Tensor:
        return raw.argmax(1).to(torch.uint8)

    def groups(self, raw: Tensor, edges: Sequence[float] = TWO_GROUPS) -> Tensor:
        return raw.argmax(1)

    def group_count(self, edges: Sequence[float] = TWO_GROUPS) -> int:
        return self.task.channels

    def prediction(self, raw: Tensor) -> Tensor:
        return self.pseudo_label(raw)

    def statistics(self, raw: Tensor, target: Tensor) -> dict[str, Tensor]:
        images, classes = raw.shape[:2]
        cell = target.long() * classes + raw.argmax(1)
        spill = classes * classes
        cell = torch.where(self.valid(target), cell, spill).flatten(1)
        counts = torch.zeros(images, spill + 1, dtype=torch.int64, device=raw.device)
        counts.scatter_add_(1, cell, torch.ones_like(cell))
        return {"confusion": counts[:, :spill].reshape(images, classes, classes)}
