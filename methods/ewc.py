"""EWC: Elastic Weight Consolidation (Kirkpatrick et al. 2017), online (Schwarz et al. 2018)."""

from typing import Any

import torch
from torch import Tensor

from benchmark.method import Method, MethodConfig, Phase, State, Step, kinds, own_images, setting


class EWC(Method):
    """L = L_new + weight / 2 * sum_i F_i (theta_i - theta*_i)^2 over the backbone's parameters.

    F is the diagonal of the empirical Fisher (true labels, squared gradients of single images,
    network in eval mode), divided by its mean so that tasks of different units add up; it decays
    by gamma when a new task's is added. Published weights belong to other estimators (they differ
    by batch size and pixel count squared) and do not carry over: ours is the middle of the usual
    search grid, 0.1 to 1e5.
    """

    class Config(MethodConfig):
        weight: float = setting(100.0, "factor of the quadratic penalty (lambda)", "ours", ge=0)
        gamma: float = setting(1.0, "decay of the older tasks' importance", "released code",
                               ge=0, le=1)

    name = "ewc"
    summary = "holds parameters back by their importance for old tasks"
    family = "regularisation"
    reference = "Kirkpatrick et al. 2017; Schwarz et al. 2018 (online)"
    stores = "importance and old value of every backbone parameter"
    zero = {"weight": 0.0}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._importance: dict[str, Tensor] = {}
        self._anchor: dict[str, Tensor] = {}

    def loss(self, step: Step) -> dict[str, Tensor]:
        terms = step.new_losses()
        if self._importance and self.config.weight:
            moved = [(importance * (parameter - self._anchor[name]).square()).sum()
                     for name, parameter in step.network.backbone.named_parameters()
                     if (importance := self._importance.get(name)) is not None]
            terms["backbone/penalty"] = self.config.weight / 2 * torch.stack(moved).sum()
        return terms

    def end_phase(self, phase: Phase) -> None:
        if not self.config.weight:
            return
        for name, fisher in self._fisher(phase).items():
            old = self._importance.get(name)
            self._importance[name] = fisher if old is None else self.config.gamma * old + fisher
        self._anchor = {name: parameter.detach().clone()
                        for name, parameter in phase.network.backbone.named_parameters()}

    def _fisher(self, phase: Phase) -> dict[str, Tensor]:
        learnt = {name: parameter for name, parameter in phase.network.backbone.named_parameters()
                  if parameter.requires_grad}
        sums = {name: torch.zeros_like(parameter) for name, parameter in learnt.items()}
        for step in own_images(phase, size=1):
            for task, kind in kinds(phase.tasks):
                loss = kind.loss(step.output(task), step.batch.targets[task.name])
                gradients = torch.autograd.grad(loss, list(learnt.values()), retain_graph=True)
                for total, gradient in zip(sums.values(), gradients, strict=True):
                    total += gradient.square()
        entries = sum(total.numel() for total in sums.values())
        mean = torch.stack([total.sum() for total in sums.values()]).sum() / entries
        return {name: total / (mean + 1e-12) for name, total in sums.items()}

    def state_dict(self) -> State:
        return {"importance": dict(self._importance), "anchor": dict(self._anchor)}

    def load_state_dict(self, state: State) -> None:
        self._importance, self._anchor = dict(state["importance"]), dict(state["anchor"])
