"""Direction: a unit vector per pixel, such as the surface normal."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.tasks.direction.metrics import ANGLE_THRESHOLDS, BIN_WIDTH, BINS
from benchmark.tasks.losses import Kind


def unit(raw: Tensor) -> Tensor:
    """Vectors [B, 3, H, W] scaled to length one; the zero vector stays zero.

    Spelt out, since norms over a dimension that is not the last are slow on CPU (100 times here).
    """
    return raw * raw.square().sum(1, keepdim=True).clamp(min=1e-16).rsqrt()


def angles(raw: Tensor, target: Tensor) -> Tensor:
    """Angle [B, H, W] in degrees between vectors [B, 3, H, W] of any length; 90 from the zero
    vector, which points nowhere; nan from one that is not finite."""
    truth, guess = target.double(), raw.double()
    largest = guess.abs().amax(1, keepdim=True)
    # Squares of these would be rounded to 0 or beyond the largest number.
    extreme = (largest > 0) & ((largest < 1e-100) | (largest > 1e100))
    guess = guess / torch.where(extreme, largest, 1)
    across = torch.linalg.cross(guess, truth, dim=1).square().sum(1).sqrt()
    angle = torch.atan2(across, (guess * truth).sum(1)).rad2deg()
    return torch.where(largest[:, 0] == 0, 90.0, angle)


class DirectionLosses(Kind):
    """1 - cos on raw vectors [B, 3, H, W] of any length; a zero target vector is invalid."""

    def valid(self, target: Tensor) -> Tensor:
        return target.square().sum(1) > 0

    def loss_map(self, raw: Tensor, target: Tensor) -> Tensor:
        return torch.where(self.valid(target), self.distance(raw, target.to(raw.dtype)), 0)

    def distance(self, raw: Tensor, teacher: Tensor, soft: bool = True,
                 temperature: float = 1.0) -> Tensor:
        return 1 - (unit(raw) * unit(teacher)).sum(1)

    def label_distance(self, raw: Tensor, label: Tensor) -> Tensor:
        return 1 - (unit(raw) * label).sum(1)

    def prediction(self, raw: Tensor) -> Tensor:
        return unit(raw)

    def statistics(self, raw: Tensor, target: Tensor) -> dict[str, Tensor]:
        valid, angle = self.valid(target), angles(raw, target)
        counted = valid & angle.isfinite()
        bins = (torch.where(counted, angle, 0) / BIN_WIDTH).long().clamp(max=BINS - 1)
        bins = torch.where(counted, bins, BINS).flatten(1)
        counts = torch.zeros(len(raw), BINS + 1, dtype=torch.int64, device=raw.device)
        counts.scatter_add_(1, bins, torch.ones_like(bins))
        found = {"pixels": valid.sum((1, 2)), "angle": (angle * valid).sum((1, 2)),
                 "histogram": counts[:, :BINS]}
        return found | {name: ((angle < limit) & valid).sum((1, 2))
                        for name, limit in ANGLE_THRESHOLDS.items()}

    def flip(self, target: Tensor) -> Tensor:
        mirrored = target.flip(-1)
        return torch.cat([-mirrored[:, :1], mirrored[:, 1:]], dim=1)
