"""PackNet: weights pruned after one task are free for the next (Mallya and Lazebnik 2018)."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.components.isolation import Tensors
from benchmark.components.subnetworks import Subnetworks, masked_weights
from benchmark.method import MethodConfig, Phase, State, Step, setting


class PackNet(Subnetworks):
    """Train, set the smallest weights to zero, train the others on, keep them for good.

    In each phase all weights that no old task has are trained, beside the old ones, which stay as
    they are. After the share `dense` of its steps, in every layer the share `pruned` of the task's
    own weights, those of smallest magnitude, are set to zero and stay there until the phase ends:
    they are free for the next task, which starts them from zero. A task predicts through its own
    weights and those of the tasks before it.

    Ours: pruning and training on share the epochs of the recipe, and its schedule, with all other
    methods (the paper prunes after training and trains half as long again); norms, biases,
    embeddings and running statistics are each task's own (the paper has those of the first task for
    all); at least one free weight of a layer is kept.
    """

    class Config(MethodConfig):
        isolate: bool = setting(True, "keep weights at all; false: plain finetuning", "ours")
        pruned: float = setting(0.5, "share of a task's own weights that is freed, in each layer",
                                "paper", gt=0, lt=1)
        dense: float = setting(2 / 3, "share of a phase's steps before pruning", "paper",
                               gt=0, lt=1)

    name = "packnet"
    summary = "prunes the network after each task and trains the next in the freed weights"
    reference = "Mallya and Lazebnik, PackNet: Adding Multiple Tasks to a Single Network by " \
                "Iterative Pruning, CVPR 2018"
    grid = {"pruned": [0.5, 0.75], "dense": [0.5, 2 / 3, 5 / 6]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._kept: Tensors = {}
        """The new task's mask, from pruning to the end of the phase."""
        self._steps = 0
        """Taken in the phase so far."""
        self._prune_after = 0

    def begin_phase(self, phase: Phase) -> None:
        super().begin_phase(phase)
        steps = phase.data.steps_per_epoch * phase.network.recipe.epochs
        self._kept, self._steps = {}, 0
        self._prune_after = max(1, round(steps * self.config.dense))

    def edit_update(self, step: Step, before: Mapping[str, Tensor]) -> None:
        if not self.active:
            return
        super().edit_update(step, before)
        self._steps += 1
        weights = masked_weights(step.network.backbone)
        if self._steps == self._prune_after:
            self._kept = {name: largest(weight, ~self.used[name], 1 - self.config.pruned)
                          for name, weight in weights.items()}
        if self._kept:
            for name, weight in weights.items():
                weight.mul_(self._kept[name] | self.used[name])

    def mask(self, backbone: nn.Module) -> Tensors:
        """What was kept in pruning; in a phase that ended before it, all that was free."""
        kept, self._kept = self._kept, {}
        return kept or {name: ~used for name, used in self.used.items()}

    def visible(self, masks: Mapping[str, Tensor], task: str) -> Tensor:
        names = list(masks)
        return torch.stack([masks[name] for name in names[:names.index(task) + 1]]).any(0)

    def state_dict(self) -> State:
        return super().state_dict() | {"kept": dict(self._kept), "steps": self._steps}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._kept, self._steps = dict(state["kept"]), state["steps"]


def largest(weight: Tensor, free: Tensor, share: float) -> Tensor:
    """Bool, in the shape of a weight: the `share` of its `free` entries, rounded up, that are
    largest in magnitude."""
    count = int(free.sum())
    keep = min(count, math.ceil(share * count))
    sizes = torch.where(free, weight.detach().abs(), -1).flatten()
    chosen = torch.zeros_like(free).flatten()
    chosen[sizes.topk(keep).indices] = True
    return chosen.view_as(free)
