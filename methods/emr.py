"""EMR merging: elect, mask and rescale task vectors (Huang et al. 2024), one task after another."""

import torch
from torch import Tensor

from benchmark.components.isolation import Home, Isolation, Tensors, estimate, statistics
from benchmark.method import MethodConfig, Phase, setting
from benchmark.model.network import Network
from methods._emr import flat, merge, pack, shares, unflat, unpack


class EMR(Isolation):
    """theta_k = theta_0 + s_k * m_k * u: one unified vector u, one bit per parameter and task.

    Every phase trains the backbone from its first weights theta_0 to theta_0 + tau_k. Of all tau_k,
    u has the sign of the mean and the largest magnitude of that sign, m_k is where tau_k has that
    sign too, and s_k gives s_k m_k u the size of tau_k: sums over tensors of mean magnitudes (the
    released code; the paper has plain sums). Batch-norm statistics are kept per task; norms' scales
    and shifts are part of tau. Heads are not merged.

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
        if not self.config.merge:
            return
        home, backbone = self.home, phase.network.backbone
        trained, found = flat(backbone), statistics(backbone)
        phase.network.restart()
        old = [_vector(home, task) for task in home.own]
        new = trained - flat(backbone)
        home.own |= {task.name: found for task in phase.tasks}
        merged = merge(torch.stack([*old, *[new for _ in phase.tasks]]), shares(backbone))
        home.common = {"unified": merged.unified}
        home.own = {task: own | {"mask": pack(mask), "scale": scale.clone()}
                    for (task, own), mask, scale
                    in zip(home.own.items(), merged.masks, merged.scales, strict=True)}
        if self.config.reestimate and old:
            for task, own in home.own.items():
                own |= estimate(phase, self.weights(phase.network, home, task))

    def weights(self, network: Network, home: Home, task: str) -> Tensors:
        own = {name: value for name, value in home.own[task].items()
               if name not in ("mask", "scale")}
        return own | unflat(flat(network.backbone) + _vector(home, task), network.backbone)

    def size(self, home: Home) -> int:
        entries = sum(value.numel() for value in home.common.values())
        return entries + len(home.own) * (-(-entries // 32) + 1)


def _vector(home: Home, task: str) -> Tensor:
    """What is left of the vector of a task: s_k m_k u."""
    own, unified = home.own[task], home.common["unified"]
    return own["scale"] * unpack(own["mask"], len(unified)) * unified
