"""Flow: the end-point error as loss; displacements turn and grow with the image."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.tasks.losses import Kind

NEAR = 1.0


class FlowLosses(Kind):
    """Raw outputs [B, 2, H, W] are displacements in pixels."""

    def loss_map(self, raw: Tensor, target: Tensor) -> Tensor:
        valid = self.valid(target)[:, None]
        truth = torch.where(valid, target, 0).to(raw.dtype)
        return torch.linalg.vector_norm(torch.where(valid, raw - truth, 0), dim=1)

    def statistics(self, raw: Tensor, target: Tensor) -> dict[str, Tensor]:
        valid, error = self.valid(target), self.loss_map(raw.double(), target.double())
        return {"pixels": valid.sum((1, 2)), "error": error.sum((1, 2)),
                "near": (valid & (error < NEAR)).sum((1, 2))}

    def flip(self, target: Tensor) -> Tensor:
        mirrored = target.flip(-1)
        return torch.cat([-mirrored[:, :1], mirrored[:, 1:]], dim=1)

    def zoom(self, target: Tensor, factor: float) -> Tensor:
        return target * factor
