"""Subnetworks: tasks that predict through some of the backbone's weights, which stay unchanged."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.components.bits import pack_bits, unpack_bits
from benchmark.components.isolation import Isolation, SharedBackbone, Tensors, layers
from benchmark.method import Phase, Step
from benchmark.model.network import Network

MASK = "mask"
"""Name of a task's packed mask among its parts."""


class Subnetworks(Isolation):
    """Every task has a mask over the weights of the backbone's convolutions and linear layers.

    Weights in the mask of a task that has ended are never changed again. All other parameters of
    the backbone (norms, biases, embeddings) and running statistics are each task's own; they start
    as those of the task before. A subclass defines `mask`, which is kept at the end of a phase, a
    bit per weight, and where a task predicts through other weights than those of its mask,
    `visible`.
    """

    stores = "a bit per weight, norms and biases of every task"
    zero = {"isolate": False}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.used: Tensors = {}
        """Bool, for each masked weight: whether it is in the mask of an old task."""

    @abstractmethod
    def mask(self, backbone: nn.Module) -> Tensors:
        """The new task's mask, bool, for each masked weight."""

    def visible(self, masks: Mapping[str, Tensor], task: str) -> Tensor:
        """The weights [N] (bool) that a task predicts through, from all masks [N] in order."""
        return masks[task]

    def begin_phase(self, phase: Phase) -> None:
        backbone = phase.network.backbone
        weights = masked_weights(backbone)
        used = torch.zeros(_count(weights), dtype=torch.bool, device=phase.network.mean.device)
        for part in self.current.parts.values():
            used |= unpack_bits(part[MASK], len(used))
        self.used = _by_weight(used, weights) if self.active else {}

    def edit_update(self, step: Step, before: Mapping[str, Tensor]) -> None:
        if self.current.parts:
            for name, weight in masked_weights(step.network.backbone).items():
                weight.copy_(torch.where(self.used[name], before[f"backbone.{name}"], weight))

    def part(self, phase: Phase) -> Tensors:
        backbone = phase.network.backbone
        masks = self.mask(backbone)
        own = {name: value.detach().clone() for name, value in backbone.state_dict().items()
               if name not in masks and not name.endswith("num_batches_tracked")}
        return own | {MASK: pack_bits(torch.cat([mask.flatten() for mask in masks.values()]))}

    @torch.no_grad()
    def weights(self, network: Network, shared: SharedBackbone, task: str) -> Tensors:
        own = {name: value for name, value in shared.parts[task].items() if name != MASK}
        weights = masked_weights(network.backbone)
        masks = {each: unpack_bits(part[MASK], _count(weights))
                 for each, part in shared.parts.items()}
        visible = _by_weight(self.visible(masks, task), weights)
        masked = {name: weight * visible[name] for name, weight in weights.items()}
        return own | masked

    def size(self, shared: SharedBackbone) -> int:
        """As in `Isolation`; a mask counts as one parameter per 32 bits."""
        masks = [part[MASK] for part in shared.parts.values()]
        return super().size(shared) + sum(-(-len(mask) // 4) - len(mask) for mask in masks)


def masked_weights(backbone: nn.Module) -> Tensors:
    """The weights of the backbone's convolutions and linear layers, by their names in it."""
    return {f"{name}.weight": layer.weight for name, layer in layers(backbone)}


def _count(weights: Mapping[str, Tensor]) -> int:
    return sum(weight.numel() for weight in weights.values())


def _by_weight(entries: Tensor, weights: Mapping[str, Tensor]) -> Tensors:
    """A vector [N] over all weights, as tensors in their shapes, by name."""
    parts = entries.split([weight.numel() for weight in weights.values()])
    return {name: part.view_as(weight)
            for (name, weight), part in zip(weights.items(), parts, strict=True)}
