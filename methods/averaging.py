"""Averaging: the running mean of the backbones at the end of each phase."""

from typing import Any, Literal

import torch

from benchmark.components.isolation import Tensors
from benchmark.components.merging import Merging, MergingConfig
from benchmark.method import Phase, State, setting


class Averaging(Merging):
    """mean_t = mean_{t-1} + (theta_t - mean_{t-1}) / t over the backbone's parameters.

    theta_t is trained from the network of the phase before, or from the initial weights. After a
    phase the live network is theta_t + strength * (mean_t - theta_t), its running statistics are
    computed anew on the phase's images, and heads stay as they are: the new one was trained on
    theta_t. With strength 1 the live network is the mean; below, the mean is kept beside it. Ours:
    the running form and the strength (the papers average networks trained in parallel). A new
    backbone begins a new mean; the tasks before it keep the old network.
    """

    class Config(MergingConfig):
        strength: float = setting(1.0, "how far the network goes to the mean", "ours", ge=0, le=1)
        start: Literal["average", "first"] = setting(
            "average", "a phase trains from the network so far, or from the first weights", "ours")

    name = "averaging"
    summary = "averages the backbones of all phases"
    reference = "Wortsman et al. 2022 (model soups); Ilharco et al. 2023 (task vectors)"
    stores = "nothing but the network"
    zero = {"strength": 0.0}
    grid = {"strength": [0.2, 0.4, 0.6, 0.8, 0.9, 1.0]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._mean: Tensors = {}
        """mean_t, unless it is the live network."""

    def forget(self) -> None:
        self._mean = {}

    def start(self, phase: Phase) -> None:
        if self.config.start == "first":
            phase.network.reset_backbone()

    @torch.no_grad()
    def merge(self, phase: Phase, trained: Tensors) -> Tensors:
        strength, share = self.config.strength, 1 - 1 / self.phases
        old = self._mean or self.previous or trained
        if strength < 1:
            self._mean = _towards(trained, old, share)
        return _towards(trained, old, strength * share) if self.previous else {}

    def state_dict(self) -> State:
        return super().state_dict() | {"mean": dict(self._mean)}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._mean = dict(state["mean"])


def _towards(parameters: Tensors, others: Tensors, share: float) -> Tensors:
    """parameters + share * (others - parameters), by name."""
    return {name: value.lerp(others[name], share) for name, value in parameters.items()}
