"""Averaging: the running mean of the backbones at the end of each phase."""

from typing import Any, Literal

import torch

from benchmark.components.isolation import Isolation, Tensors, estimate_statistics
from benchmark.method import MethodConfig, Phase, State, setting
from benchmark.model.network import Network


class Averaging(Isolation):
    """mean_t = mean_{t-1} + (theta_t - mean_{t-1}) / t over the backbone's parameters.

    theta_t is trained from mean_{t-1}, or from the initial weights. After a phase the live network
    is theta_t + strength * (mean_t - theta_t), its running statistics are computed anew on the
    phase's images, and heads stay as they are: the new one was trained on theta_t. Ours: the
    running form and the strength (the papers average networks trained in parallel). A new
    backbone begins a new mean; the tasks before it keep the old network.
    """

    class Config(MethodConfig):
        strength: float = setting(1.0, "how far the network goes to the mean", "ours", ge=0, le=1)
        start: Literal["average", "first"] = setting(
            "average", "a phase trains from the mean so far, or from the first weights", "ours")

    name = "averaging"
    summary = "averages the backbones of all phases"
    family = "merging"
    reference = "Wortsman et al. 2022 (model soups); Ilharco et al. 2023 (task vectors)"
    stores = "nothing but the network"
    needs = ()
    zero = {"strength": 0.0}
    grid = {"strength": [0.2, 0.4, 0.6, 0.8, 0.9, 1.0]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._phases = 0
        self._mean: Tensors = {}

    def before_backbone_change(self, network: Network) -> None:
        if self.active:
            retired = {task for shared in self.retired for task in shared.parts}
            self.current.parts = {task: {} for task in network.tasks if task not in retired}
            super().before_backbone_change(network)
            self._phases = 0

    def begin_phase(self, phase: Phase) -> None:
        if self.active and self._phases:
            self._mean = {name: parameter.detach().clone()
                          for name, parameter in phase.network.backbone.named_parameters()}
            if self.config.start == "first":
                phase.network.reset_backbone()

    @torch.no_grad()
    def end_phase(self, phase: Phase) -> None:
        self._phases += 1
        if self._mean:
            share = self.config.strength * (1 - 1 / self._phases)
            for name, parameter in phase.network.backbone.named_parameters():
                parameter.lerp_(self._mean[name], share)
            phase.network.backbone.load_state_dict(estimate_statistics(phase, {}), strict=False)
            self._mean = {}

    def state_dict(self) -> State:
        return super().state_dict() | {"phases": self._phases, "mean": dict(self._mean)}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._phases, self._mean = state["phases"], dict(state["mean"])
