"""MagMax: the largest changes of all phases, merged (Marczak et al. 2024)."""

from typing import Any

import torch

from benchmark.components.isolation import Tensors
from benchmark.components.merging import Merging, MergingConfig, initial_parameters
from benchmark.method import Phase, State, setting


class MagMax(Merging):
    """theta = theta_0 + scale * u, u_i the tau_{t,i} of largest magnitude over all phases t.

    tau_t = theta_t - theta_0. Phases train in sequence: theta_t starts from theta_{t-1}, not from
    the merged backbone, which is what tasks predict through after each phase. u is a running
    maximum, in which the later phase wins ties; theta_{t-1} is carried with its running statistics.

    Heads are a task's own and not merged. Ours: the merged backbone's running statistics are
    computed anew on the phase's images (the paper's transformers have none); norms' scales and
    shifts are merged as all else. theta_0 are the initial weights, which the paper takes from
    pretraining: on weights that were drawn at random, a scale below 1 keeps a share of the draw.
    """

    class Config(MergingConfig):
        merge: bool = setting(True, "merge at all; false: plain finetuning", "ours")
        scale: float = setting(0.5, "factor of the merged change (lambda)", "paper", gt=0)

    name = "magmax"
    summary = "merges the largest parameter changes of all phases"
    reference = "Marczak et al., MagMax: Leveraging Model Merging for Seamless Continual " \
                "Learning, ECCV 2024"
    stores = "the backbone before merging, the largest change of every parameter"
    grid = {"scale": [0.25, 0.5, 0.75, 1.0], "realign_epochs": [0, 2]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._trained: Tensors = {}
        self._largest: Tensors = {}

    def forget(self) -> None:
        self._trained, self._largest = {}, {}

    def start(self, phase: Phase) -> None:
        phase.network.backbone.load_state_dict(self._trained)

    @torch.no_grad()
    def merge(self, phase: Phase, trained: Tensors) -> Tensors:
        network = phase.network
        self._trained = {name: value.detach().clone()
                         for name, value in network.backbone.state_dict().items()}
        initial = initial_parameters(network)
        for name, value in trained.items():
            change = value - initial[name]
            largest = self._largest.get(name, change)
            self._largest[name] = torch.where(change.abs() >= largest.abs(), change, largest)
        return {name: value + self.config.scale * self._largest[name]
                for name, value in initial.items()}

    def state_dict(self) -> State:
        return super().state_dict() | {"trained": dict(self._trained),
                                       "largest": dict(self._largest)}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._trained, self._largest = dict(state["trained"]), dict(state["largest"])
