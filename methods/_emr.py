"""Arithmetic of EMR merging: task vectors, one unified vector, masks of one bit a parameter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def flat(module: nn.Module) -> Tensor:
    """All parameters of a module as one vector [N], detached."""
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def unflat(vector: Tensor, module: nn.Module) -> dict[str, Tensor]:
    """A vector [N] as the parameters of a module, by name."""
    named = dict(module.named_parameters())
    parts = vector.split([parameter.numel() for parameter in named.values()])
    return {name: part.view_as(parameter)
            for (name, parameter), part in zip(named.items(), parts, strict=True)}


def shares(module: nn.Module) -> Tensor:
    """[N]: for every parameter, 1 / (entries of its tensor): sums of means over tensors."""
    return torch.cat([torch.full_like(parameter.detach().flatten(), 1 / parameter.numel())
                      for parameter in module.parameters()])


@dataclass(frozen=True)
class Merged:
    """T task vectors merged: vector k is about scales[k] * masks[k] * unified."""

    unified: Tensor
    """[N]"""
    masks: Tensor
    """[T, N], bool"""
    scales: Tensor
    """[T]"""


def merge(vectors: Tensor, share: Tensor) -> Merged:
    """Elect, mask and rescale task vectors [T, N] (Huang et al. 2024).

    Elected are the sign of the mean and the largest magnitude of that sign; a task's mask is where
    its own sign agrees; its scale gives the masked vector the size of the task's own, sizes being
    sums over tensors of the mean magnitude (`share`: see `shares`).
    """
    sign = torch.where(vectors.mean(0) > 0, 1.0, -1.0).to(vectors.dtype)
    masks = vectors * sign > 0
    unified = sign * (vectors.abs() * masks).amax(0)
    wanted = (vectors.abs() * share).sum(1)
    found = (unified.abs() * share * masks).sum(1)
    return Merged(unified, masks, torch.where(found > 0, wanted / found, 0))


def pack(bits: Tensor) -> Tensor:
    """Bits [N] (bool) in bytes [ceil(N / 8)] (uint8), lowest bit first."""
    padded = F.pad(bits.to(torch.uint8), (0, -len(bits) % 8)).view(-1, 8)
    return (padded << _places(bits)).sum(1, dtype=torch.uint8)


def unpack(packed: Tensor, count: int) -> Tensor:
    """The first `count` bits (bool) of what `pack` returned."""
    return (packed[:, None] >> _places(packed) & 1).flatten()[:count].bool()


def _places(beside: Tensor) -> Tensor:
    return torch.arange(8, dtype=torch.uint8, device=beside.device)
