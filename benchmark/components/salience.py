"""Salience as HAD defines it (Zhang et al., CVPR 2026): pixels where a loss map changes steeply."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def salient_pixels(loss: Tensor, threshold: float) -> Tensor:
    """Bool [B, H, W]: where the Sobel gradient of a loss map [B, H, W], min-max scaled per image,
    exceeds `threshold`; nowhere on a flat map."""
    gradient = sobel(loss)
    low = gradient.amin((1, 2), keepdim=True)
    span = gradient.amax((1, 2), keepdim=True) - low
    return gradient - low > threshold * span


def sobel(maps: Tensor) -> Tensor:
    """Sobel gradient magnitude of maps [B, H, W], borders replicated."""
    padded = F.pad(maps[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across = padded[:, :, 2:] - padded[:, :, :-2]
    down = padded[:, 2:] - padded[:, :-2]
    horizontal = across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]
    vertical = down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:]
    return (horizontal.square() + vertical.square()).sqrt()
