"""Regression: continuous maps such as depth, reshading, curvature and keypoint heat."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.tasks.losses import Kind


class RegressionLosses(Kind):
    """L1 on raw values [B, C, H, W], the mean over channels; NaN in a target is invalid."""

    def loss_map(self, raw: Tensor, target: Tensor) -> Tensor:
        return self._residual(raw, target).abs().mean(1)

    def _residual(self, raw: Tensor, target: Tensor) -> Tensor:
        # The difference itself must be finite where invalid: 0 * NaN would poison the gradient.
        valid = self.valid(target)[:, None]
        return torch.where(valid, raw - torch.where(valid, target, 0).to(raw.dtype), 0)

    def distance(self, raw: Tensor, teacher: Tensor, soft: bool = True,
                 temperature: float = 1.0) -> Tensor:
        return self.label_distance(raw, teacher)

    def label_distance(self, raw: Tensor, label: Tensor) -> Tensor:
        return (raw - label).abs().mean(1)

    def statistics(self, raw: Tensor, target: Tensor) -> dict[str, Tensor]:
        valid = self.valid(target)
        residual = self._residual(raw.double(), target.double())
        found = {"pixels": valid.sum((1, 2)),
                 "abs": residual.abs().mean(1).sum((1, 2)),
                 "squared": residual.square().mean(1).sum((1, 2))}
        if self.task.encoding != "plain":
            found |= self._relative(raw.double(), target.double(), residual)
        return found

    def _relative(self, raw: Tensor, target: Tensor, residual: Tensor) -> dict[str, Tensor]:
        positive = (target > 0).all(1)
        truth = torch.where(positive[:, None], target, 1)
        guess = raw.clamp(min=torch.finfo(torch.float32).tiny)
        ratio = torch.maximum(guess / truth, truth / guess).amax(1)
        return {"positive": positive.sum((1, 2)),
                "relative": ((residual.abs() / truth).mean(1) * positive).sum((1, 2)),
                "delta1": ((ratio < 1.25) & positive).sum((1, 2))}

    def zoom(self, target: Tensor, factor: float) -> Tensor:
        if self.task.encoding == "depth":
            return target / factor
        return target * factor if self.task.encoding == "inverse_depth" else target
