"""Low-rank changes that all tasks share: which matrices of a frozen backbone get them, and how."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from benchmark.components.isolation import Tensors, layers
from benchmark.method import Step
from benchmark.model.network import Network

_PROJECTIONS = ("qkv", "kv", "q", "k", "v")
"""Names of a transformer's linear layers that give queries, keys and values, one after another."""


def adapted_rows(backbone: nn.Module, parts: str) -> dict[str, Tensor]:
    """Names of the weights that are changed, each with its outputs that are, bool [out].

    In a transformer those rows of its attention that give the `parts` ("kv": keys and values); in a
    backbone without attention, all of every convolution and linear layer.
    """
    found: dict[str, Tensor] = {}
    attention = False
    for name, layer in layers(backbone):
        projection = name.rpartition(".")[2].removesuffix("_proj")
        if isinstance(layer, nn.Linear) and projection in _PROJECTIONS:
            attention = True
            chosen = torch.tensor([part in parts for part in projection],
                                  device=layer.weight.device)
            if chosen.any():
                rows = chosen.repeat_interleave(len(layer.weight) // len(projection))
                found[f"{name}.weight"] = rows
    if attention:
        return found
    return {f"{name}.weight": torch.ones(len(layer.weight), dtype=torch.bool,
                                         device=layer.weight.device)
            for name, layer in layers(backbone)}


def matrix_shapes(backbone: nn.Module) -> dict[str, tuple[int, int, int]]:
    """The weights of convolutions and linear layers as matrices, by name: (groups, outputs of a
    group, inputs of an output)."""
    found = {}
    for name, layer in layers(backbone):
        groups: int = getattr(layer, "groups", 1)
        found[f"{name}.weight"] = (groups, len(layer.weight) // groups, layer.weight[0].numel())
    return found


def product(up: Tensor, down: Tensor, rows: Tensor) -> Tensor:
    """B A [out, inputs] of B [groups, out / groups, r] and A [groups, r, inputs]; 0 in those rows
    that are not marked in `rows` (bool [out])."""
    with torch.autocast(up.device.type, enabled=False):
        return (up @ down).flatten(0, 1) * rows[:, None]


def weights_with(network: Network, changes: Mapping[str, Tensor]) -> Tensors:
    """The backbone's weights with changes [out, inputs] added, by name."""
    named = dict(network.backbone.named_parameters())
    return {name: named[name] + change.view_as(named[name]) for name, change in changes.items()}


def use_changes(step: Step, changes: Mapping[str, Tensor]) -> None:
    """Have the step's features computed by the backbone with changed weights."""
    step.features = step.network.encode(step.images, weights_with(step.network, changes))
