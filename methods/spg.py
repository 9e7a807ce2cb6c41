"""SPG: Parameter-Level Soft-Masking (Konishi et al. 2023), applied to the step."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmark.components.importance import Parameters
from benchmark.method import Method, MethodConfig, Phase, State, Step, phase_batches, setting
from benchmark.model.network import Network


class SPG(Method):
    """theta = before + (1 - strength * a) * step, a in [0, 1] for each backbone parameter; heads:
    (1 - strength * mean a) * step, which slows them down alike.

    a = max over phases and over heads j of |tanh((h_j - mean h_j) / std h_j)|, mean and std over a
    parameter tensor; h_j is the signed sum of gradients over the phase's images, of the supervised
    loss for the new head and of the sum of raw outputs for old ones.

    Ours: the step the optimiser applied is masked, weight decay included, since Adam undoes masks
    of gradients; the pass is in eval mode (the released code: train mode); a batch's loss
    counts by its images; tensors whose entries are all alike have a = 0; heads that were trained
    on another backbone do not count; batch norm's scale and shift are masked as all else (the paper
    has none). Its statistics follow recipe.batch_norm unless frozen here: weights keep changing
    under a mask, and old statistics soon fit them less than new ones.
    """

    class Config(MethodConfig):
        strength: float = setting(1.0, "factor of the mask; 0 is finetune", "ours", ge=0, le=1)
        freeze_statistics: bool = setting(
            False, "freeze batch norm's running statistics from the second phase on", "ours")

    name = "spg"
    summary = "scales each parameter's step down by its importance for old tasks"
    family = "masking"
    reference = "Konishi et al., Parameter-Level Soft-Masking for Continual Learning, ICML 2023"
    stores = "importance of every backbone parameter"
    zero = {"strength": 0.0}
    grid = {"strength": [0.5, 0.75, 1.0], "freeze_statistics": [False, True]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._mask: Parameters = {}
        self._heads: list[str] = []
        self._mean_mask = torch.zeros(())

    def before_backbone_change(self, network: Network) -> None:
        self._mask, self._heads = {}, []

    def begin_phase(self, phase: Phase) -> None:
        if self._mask:
            if self.config.freeze_statistics:
                phase.network.freeze_statistics(affine=False)
            entries = torch.cat([mask.flatten() for mask in self._mask.values()])
            self._mean_mask = entries.mean()

    def edit_update(self, step: Step, before: Mapping[str, Tensor]) -> None:
        if not self._mask:
            return
        backbone = {name: parameter for name, parameter in step.network.backbone.named_parameters()
                    if name in self._mask}
        heads = {name: parameter for name, parameter in step.network.heads.named_parameters()
                 if parameter.grad is not None}
        shares = torch._foreach_mul([*[self._mask[name] for name in backbone],
                                     *[self._mean_mask] * len(heads)], self.config.strength)
        torch._foreach_lerp_([*backbone.values(), *heads.values()],
                             [*[before[f"backbone.{name}"] for name in backbone],
                              *[before[f"heads.{name}"] for name in heads]], shares)

    def end_phase(self, phase: Phase) -> None:
        if not self.active:
            return
        for sums in gradient_sums(phase, self._heads).values():
            for name, total in sums.items():
                mask = soft_mask(total)
                self._mask[name] = torch.maximum(self._mask.get(name, mask), mask)
        self._heads += [task.name for task in phase.tasks]

    def state_dict(self) -> State:
        return {"mask": dict(self._mask), "heads": list(self._heads)}

    def load_state_dict(self, state: State) -> None:
        self._mask, self._heads = dict(state["mask"]), list(state["heads"])


def gradient_sums(phase: Phase, old_heads: list[str]) -> dict[str, Parameters]:
    """h_j of every trainable parameter of the backbone, by head (the new ones and `old_heads`) and
    by the parameter's name."""
    parameters = phase.network.trainable_backbone()
    old_tasks = [task for task in phase.old_tasks if task.name in old_heads]
    sums = {task.name: {name: torch.zeros_like(value) for name, value in parameters.items()}
            for task in (*phase.tasks, *old_tasks)}
    for step in phase_batches(phase, phase.network.recipe.batch):
        outputs = {task.name: step.output(task).sum() for task in old_tasks}
        losses = {name.removesuffix("/new"): loss * len(step.images)
                  for name, loss in step.new_losses().items()}
        for head, value in (losses | outputs).items():
            gradients = torch.autograd.grad(value, list(parameters.values()), retain_graph=True,
                                            materialize_grads=True)
            for total, gradient in zip(sums[head].values(), gradients, strict=True):
                total += gradient
    return sums


def soft_mask(total: Tensor) -> Tensor:
    """|tanh((h - mean h) / std h)| of a tensor h of gradient sums, in [0, 1) and in its shape."""
    if total.numel() < 2:
        return torch.zeros_like(total)
    deviation, mean = torch.std_mean(total)
    return torch.where(deviation > 0, ((total - mean) / deviation).tanh().abs(), 0)
