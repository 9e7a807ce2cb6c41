"""WSN: Winning SubNetworks, weights and a choice of them learnt together (Kang et al. 2022)."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.components.isolation import Tensors
from benchmark.components.subnetworks import Subnetworks, masked_weights
from benchmark.method import MethodConfig, Phase, State, Step, setting
from benchmark.seeds import derive, isolated


class WSN(Subnetworks):
    """Task k predicts through W * m_k; m_k marks the share `density` of largest |s| in each layer.

    Scores s, one per weight, are trained together with W: the gradient of m_k is taken for that of
    |s| (straight-through). Weights in the mask of an old task do not change, but new masks may
    choose them. Scores are initialised as weights are and go on from task to task.

    Left open by the paper, ours: norms, biases, embeddings and running statistics are each task's
    own; scores are trained by the recipe's optimiser, weight decay included; masks are kept as
    bits (the paper compresses them further).
    """

    class Config(MethodConfig):
        isolate: bool = setting(True, "use masks at all; false: plain finetuning", "ours")
        density: float = setting(0.5, "share of each layer's weights that a task has (c)", "paper",
                                 gt=0, lt=1)

    name = "wsn"
    summary = "learns a subnetwork for each task, without changing weights that old ones use"
    reference = "Kang et al., Forget-free Continual Learning with Winning SubNetworks, ICML 2022"
    stores = "a score per weight; a bit per weight, norms and biases of every task"
    grid = {"density": [0.1, 0.3, 0.5, 0.7]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._scores: Tensors = {}
        """At the end of the phase before."""
        self._trained: dict[str, nn.Parameter] = {}

    def begin_phase(self, phase: Phase) -> None:
        super().begin_phase(phase)
        if self.active:
            network = phase.network
            weights = masked_weights(network.backbone)
            with isolated(derive(network.seed, self.name, phase.number)):
                scores = self._scores if self.current.parts else {
                    name: _initial_scores(weight) for name, weight in weights.items()}
            self._trained = {name: nn.Parameter(value.clone().to(network.mean.device))
                             for name, value in scores.items()}

    def parameters(self) -> list[nn.Parameter]:
        return list(self._trained.values())

    def loss(self, step: Step) -> dict[str, Tensor]:
        if self._trained:
            chosen = {name: weight * straight_through(self._trained[name], self.config.density)
                      for name, weight in masked_weights(step.network.backbone).items()}
            step.features = step.network.encode(step.images, chosen)
        return step.new_losses()

    def mask(self, backbone: nn.Module) -> Tensors:
        self._scores = {name: value.detach().clone() for name, value in self._trained.items()}
        return {name: top_share(value.abs(), self.config.density)
                for name, value in self._scores.items()}

    def state_dict(self) -> State:
        return super().state_dict() | {"scores": dict(self._scores)}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._scores = dict(state["scores"])


def top_share(values: Tensor, share: float) -> Tensor:
    """Bool, in the shape of `values`: the `share` of them, rounded up, that are largest (and those
    equal to the smallest of these)."""
    flat = values.detach().flatten()
    drop = len(flat) - math.ceil(share * len(flat))
    return values >= flat.kthvalue(drop + 1).values


def straight_through(scores: Tensor, share: float) -> Tensor:
    """The mask of scores as 0 and 1, whose gradient is passed on to |scores| as it is."""
    sizes = scores.abs()
    return top_share(sizes, share).to(sizes.dtype) + (sizes - sizes.detach())


def _initial_scores(weight: Tensor) -> Tensor:
    scores = torch.empty(weight.shape)
    nn.init.kaiming_uniform_(scores, a=math.sqrt(5))
    return scores
