"""Salience as HAD defines it (Zhang et al., CVPR 2026): pixels where a loss map changes steeply."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


def salient_pixels(loss: Tensor, threshold: float) -> Tensor:
    """Bool [B, H, W]: where the Sobel gradient of a loss map [B, H, W], min-max scaled per image,
    exceeds `threshold`; nowhere on a flat map."""
    gradient = sobel(loss)
    low = gradient.amin((1, 2), keepdim=True)
    span = gradient.amax((1, 2), keepdim=True) - low
    return gradient - low > threshold * span


def sobel(maps: Tensor, border: Literal["replicate", "constant"] = "replicate") -> Tensor:
    """Sobel gradient magnitude of maps [B, H, W] without gradient; the border is replicated, or
    zero (`constant`)."""
    padded = F.pad(maps[:, None], (1, 1, 1, 1), mode=border)[:, 0]
    above, here, below = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
    smooth = torch.add(above, below).add_(here, alpha=2)
    change = below - above
    across = smooth[:, :, 2:] - smooth[:, :, :-2]
    down = torch.add(change[:, :, :-2], change[:, :, 2:]).add_(change[:, :, 1:-1], alpha=2)
    return across.square_().add_(down.square_()).sqrt_()
