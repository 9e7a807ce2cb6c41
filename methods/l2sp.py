"""L2-SP: stay near the starting point (Li et al. 2018)."""

import torch

from benchmark.components.importance import Importance, Parameters, trainable_weights
from benchmark.method import MethodConfig, Phase, State, setting


class L2SP(Importance):
    """L = L_new + weight / 2 * sum_i (theta_i - theta*_i)^2 over the backbone's parameters.

    theta* are the parameters of the phase before. Every parameter counts the same: the baseline of
    EWC and its variants. Weight decay does what the paper's penalty on heads does.
    """

    class Config(MethodConfig):
        weight: float = setting(0.1, "factor of the quadratic penalty (alpha)", "paper", ge=0)

    name = "l2sp"
    summary = "pulls the backbone towards its weights of the phase before"
    reference = "Li et al., Explicit Inductive Bias for Transfer Learning, ICML 2018"
    grid = {"weight": [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]}
    stores = "old value of every backbone parameter"

    def gamma(self) -> float:
        return 0.0

    def importance(self, phase: Phase) -> Parameters:
        return _ones(trainable_weights(phase.network))

    def state_dict(self) -> State:
        return {"anchor": dict(self.anchor)}

    def load_state_dict(self, state: State) -> None:
        self.anchor, self.omega = dict(state["anchor"]), _ones(state["anchor"])


def _ones(parameters: Parameters) -> Parameters:
    return {name: torch.ones_like(value) for name, value in parameters.items()}
