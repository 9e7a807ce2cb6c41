"""EMR merging: elect, mask and rescale task vectors (Huang et al. 2024), one task after another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from benchmark.components.bits import pack_bits, unpack_bits
from benchmark.components.isolation import (
    Isolation,
    SharedBackbone,
    Tensors,
    estimate_statistics,
    running_statistics,
)
from benchmark.method import MethodConfig, Phase, setting
from benchmark.model.network import Network


class EMR(Isolation):
    """theta_k = theta_0 + s_k * m_k * u: one unified vector u, one bit per parameter and task.

    Every phase trains the backbone from its initial weights theta_0 to theta_0 + tau_k. Of all
    tau_k, u has the sign of the mean and the largest magnitude of that sign, m_k is where tau_k has
    that sign too, and s_k gives s_k m_k u the size of tau_k: sums over tensors of mean magnitudes
    (the released code; the paper has plain sums). Batch-norm statistics are kept per task; norms'
    scales and shifts are part of tau. Heads are not merged.

    Ours: the task vectors come one after another, and are not kept. After each phase those of old
    tasks are taken to be s_k m_k u and merged again, with the new one. The live backbone is set
    back to theta_0, so u is a second one; a mask counts as one parameter per 32 bits.
    """

    class Config(MethodConfig):
        merge: bool = setting(True, "merge at all; false: plain finetuning", "ours")
        reestimate: bool = setting(True, "compute the statistics of all tasks anew", "ours")

    name = "emr"
    summary = "merges backbones into one vector, with a binary mask and a scale per task"
    family = "merging"
    reference = "Huang et al., EMR-Merging: Tuning-Free High-Performance Model Merging, 2024"
    stores = "one backbone; a bit per parameter and batch-norm statistics of every task"
    zero = {"merge": False}
    grid = {"reestimate": [True, False]}

    @torch.no_grad()
    def end_phase(self, phase: Phase) -> None:
        if not self.active:
            return
        current, backbone = self.current, phase.network.backbone
        trained = parameters_to_vector(backbone.parameters())
        statistics = running_statistics(backbone)
        phase.network.reset_backbone()
        initial = parameters_to_vector(backbone.parameters())
        old = [_task_vector(current, task) for task in current.parts]
        current.parts |= {task.name: statistics for task in phase.tasks}
        merged = merge(torch.stack([*old, *[trained - initial for _ in phase.tasks]]),
                       tensor_shares(backbone))
        current.common = {"unified": merged.unified}
        current.parts = {task: part | {"mask": pack_bits(mask), "scale": scale.clone()}
                         for (task, part), mask, scale
                         in zip(current.parts.items(), merged.masks, merged.scales, strict=True)}
        if self.config.reestimate and old:
            for task, part in current.parts.items():
                part |= estimate_statistics(phase, self.weights(phase.network, current, task))

    @torch.no_grad()
    def weights(self, network: Network, shared: SharedBackbone, task: str) -> Tensors:
        statistics = {name: value for name, value in shared.parts[task].items()
                      if name not in ("mask", "scale")}
        initial = parameters_to_vector(network.backbone.parameters())
        return statistics | split_vector(initial + _task_vector(shared, task), network.backbone)

    def size(self, shared: SharedBackbone) -> int:
        entries = sum(value.numel() for value in shared.common.values())
        return entries + len(shared.parts) * (-(-entries // 32) + 1)


def _task_vector(shared: SharedBackbone, task: str) -> Tensor:
    """A task's vector [N] as it was kept: s_k m_k u."""
    part, unified = shared.parts[task], shared.common["unified"]
    return part["scale"] * unpack_bits(part["mask"], len(unified)) * unified


@dataclass(frozen=True)
class Merged:
    """T task vectors merged: vector k is about scales[k] * masks[k] * unified."""

    unified: Tensor
    """[N]"""
    masks: Tensor
    """[T, N], bool"""
    scales: Tensor
    """[T]"""


def merge(vectors: Tensor, shares: Tensor) -> Merged:
    """Elect, mask and rescale task vectors [T, N] (Huang et al. 2024).

    Elected are the sign of the mean and the largest magnitude of that sign; a task's mask is where
    its own sign agrees; its scale gives the masked vector the size of the task's own, sizes being
    sums over tensors of the mean magnitude (`shares`: see `tensor_shares`).
    """
    sign = torch.where(vectors.mean(0) > 0, 1.0, -1.0).to(vectors.dtype)
    masks = vectors * sign > 0
    unified = sign * (vectors.abs() * masks).amax(0)
    own_sizes = (vectors.abs() * shares).sum(1)
    masked_sizes = (unified.abs() * shares * masks).sum(1)
    return Merged(unified, masks, torch.where(masked_sizes > 0, own_sizes / masked_sizes, 0))


def tensor_shares(module: nn.Module) -> Tensor:
    """For every parameter of a module, [N]: 1 / (number of entries of its tensor), which turns a
    sum over parameters into a sum over tensors of means."""
    return torch.cat([torch.full_like(parameter.detach().flatten(), 1 / parameter.numel())
                      for parameter in module.parameters()])


def split_vector(vector: Tensor, module: nn.Module) -> dict[str, Tensor]:
    """A vector [N] of all parameters of a module, as its parameters by name (views)."""
    named = dict(module.named_parameters())
    parts = vector.split([parameter.numel() for parameter in named.values()])
    return {name: part.view_as(parameter)
            for (name, parameter), part in zip(named.items(), parts, strict=True)}
