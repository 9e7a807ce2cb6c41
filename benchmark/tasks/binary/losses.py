"""Binary maps: a yes or no per pixel, such as edges and saliency."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.tasks.binary.metrics import THRESHOLDS
from benchmark.tasks.losses import TWO_GROUPS, Kind, constant


class BinaryLosses(Kind):
    """Class-balanced cross-entropy on one logit [B, 1, H, W]; targets uint8 [B, H, W].

    Positive and negative pixels of a batch weigh the same in total (HED, Xie and Tu 2015, Eq. 2),
    scaled so that an evenly split batch has the plain cross-entropy.
    """

    def loss_map(self, raw: Tensor, target: Tensor) -> Tensor:
        valid = self.valid(target)
        truth = (target == 1).to(raw.dtype)
        share = truth.sum() / valid.sum().clamp(min=1)
        weight = 2 * torch.where(target == 1, 1 - share, share)
        entropy = F.binary_cross_entropy_with_logits(raw[:, 0], truth, reduction="none")
        return torch.where(valid, weight * entropy, 0)

    def distance(self, raw: Tensor, teacher: Tensor, soft: bool = True,
                 temperature: float = 1.0) -> Tensor:
        if not soft:
            return self.label_distance(raw, self.pseudo_label(teacher))
        student, target = raw[:, 0] / temperature, teacher[:, 0] / temperature
        p = target.sigmoid()
        kl = (p * (F.logsigmoid(target) - F.logsigmoid(student))
              + (1 - p) * (F.logsigmoid(-target) - F.logsigmoid(-student)))
        return temperature**2 * kl

    def label_distance(self, raw: Tensor, label: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(raw[:, 0], label.to(raw.dtype), reduction="none")

    def pseudo_label(self, raw: Tensor) -> Tensor:
        return (raw[:, 0] > 0).to(torch.uint8)

    def group_count(self, edges: Sequence[float] = TWO_GROUPS) -> int:
        return 2

    @property
    def class_count(self) -> int:
        return 2

    def prediction(self, raw: Tensor) -> Tensor:
        return raw[:, 0].sigmoid()

    def statistics(self, raw: Tensor, target: Tensor) -> dict[str, Tensor]:
        logit = raw[:, 0].double()
        positive, negative = target == 1, target == 0
        levels = constant(THRESHOLDS, logit.dtype, raw.device)
        reached = torch.bucketize(logit.sigmoid(), levels, right=True)
        return {"positives": positive.sum((1, 2)), "negatives": negative.sum((1, 2)),
                "true_positive": _at_each_level(reached, positive, len(levels)),
                "predicted": _at_each_level(reached, positive | negative, len(levels)),
                "nll_positive": (F.softplus(-logit) * positive).sum((1, 2)),
                "nll_negative": (F.softplus(logit) * negative).sum((1, 2))}


def _at_each_level(reached: Tensor, counted: Tensor, levels: int) -> Tensor:
    """Per image, how many `counted` pixels reach each level: [B, levels]."""
    counts = torch.zeros(len(reached), levels + 1, dtype=torch.int64, device=reached.device)
    counts.scatter_add_(1, reached.flatten(1), counted.flatten(1).long())
    return counts.flip(1).cumsum(1).flip(1)[:, 1:]
