"""Parameter importance: quadratic penalties on backbone parameters that matter to old tasks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from benchmark.method import Method, Phase, State, Step, phase_batches
from benchmark.model.network import Network
from benchmark.tasks import Task

Parameters = dict[str, Tensor]
"""One tensor for each parameter of the backbone, by its name there."""


class Importance(Method):
    """L = L_new + weight / 2 * sum_i Omega_i (theta_i - theta*_i)^2 over the backbone's parameters.

    theta* are the parameters at the end of the phase before; Omega adds up over tasks, older ones
    decaying by `gamma`. A subclass defines `importance`; its configuration has a `weight`.
    """

    family = "regularisation"
    stores = "importance and old value of every backbone parameter"
    zero = {"weight": 0.0}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.omega: Parameters = {}
        self.anchor: Parameters = {}

    @abstractmethod
    def importance(self, phase: Phase) -> Parameters:
        """How much each parameter matters to the task of the phase that ends, each >= 0."""

    def gamma(self) -> float:
        """Decay of the importance of older tasks: the setting of that name, 1 without one."""
        return float(getattr(self.config, "gamma", 1.0))

    def before_backbone_change(self, network: Network) -> None:
        self.omega, self.anchor = {}, {}

    def loss(self, step: Step) -> dict[str, Tensor]:
        terms = step.new_losses()
        if self.omega and self.active:
            live = dict(step.network.backbone.named_parameters())
            names = [name for name in live if name in self.omega]
            penalty: Tensor = _Penalty.apply([self.omega[name] for name in names],
                                             [self.anchor[name] for name in names],
                                             *(live[name] for name in names))
            terms["backbone/penalty"] = self.config.weight / 2 * penalty
        return terms

    def end_phase(self, phase: Phase) -> None:
        if self.active:
            for name, added in self.importance(phase).items():
                old = self.omega.get(name)
                self.omega[name] = added if old is None else self.gamma() * old + added
            self.anchor = {name: value.clone()
                           for name, value in trainable_weights(phase.network).items()}

    def state_dict(self) -> State:
        return {"importance": dict(self.omega), "anchor": dict(self.anchor)}

    def load_state_dict(self, state: State) -> None:
        self.omega, self.anchor = dict(state["importance"]), dict(state["anchor"])


class _Penalty(Function):
    """sum_i Omega_i (theta_i - theta*_i)^2, all tensors at once in both directions: with one small
    operation after another for each of them, starting these would take most of the time."""

    @staticmethod
    def forward(ctx: Any, omega: list[Tensor], anchor: list[Tensor],
                *parameters: Tensor) -> Tensor:
        difference = torch._foreach_sub(parameters, anchor)
        weighted = torch._foreach_mul(omega, difference)
        ctx.weighted = weighted
        # No summand is negative, so their L1 norm is their sum.
        return torch.stack(torch._foreach_norm(torch._foreach_mul(weighted, difference), 1)).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, None, *torch._foreach_mul(ctx.weighted, 2 * gradients[0])


def trainable_weights(network: Network) -> Parameters:
    """The backbone's trainable parameters, detached (not copied)."""
    return {name: parameter.detach() for name, parameter in network.trainable_backbone().items()}


def gradient_importance(phase: Phase, value: Callable[[Step, Task], Tensor],
                        magnitude: Callable[[Tensor], Tensor]) -> Parameters:
    """Sum over the phase's images of `magnitude` of each gradient of `value`, with mean one.

    `value` is a scalar of one image and task; gradients are those of the backbone's parameters.
    """
    parameters = phase.network.trainable_backbone()
    sums = {name: torch.zeros_like(each) for name, each in parameters.items()}
    for step in phase_batches(phase, size=1):
        for task in phase.tasks:
            gradients = torch.autograd.grad(value(step, task), list(parameters.values()),
                                            retain_graph=True)
            for total, gradient in zip(sums.values(), gradients, strict=True):
                total += magnitude(gradient)
    return with_mean_one(sums)


def with_mean_one(importances: Parameters) -> Parameters:
    """Importances divided by their mean over all parameters, so that those of tasks with different
    units and losses are comparable when they are added."""
    entries = sum(value.numel() for value in importances.values())
    mean = torch.stack([value.sum() for value in importances.values()]).sum() / entries
    return {name: value / mean.clamp(min=torch.finfo(mean.dtype).tiny)
            for name, value in importances.items()}
