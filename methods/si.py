"""SI: Synaptic Intelligence (Zenke et al. 2017)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmark.components.importance import Importance, Parameters, trainable_weights, with_mean_one
from benchmark.method import MethodConfig, Phase, State, Step, setting
from benchmark.model.network import Network


class SI(Importance):
    """L = L_new + weight / 2 * sum_i Omega_i (theta_i - theta*_i)^2 over the backbone's parameters.

    Each step adds to w_i the new task's gradient times minus the update of the parameter; at the
    end of a phase Omega_i grows by max(w_i, 0) / ((theta_i - theta*_i)^2 + damping), theta* being
    the parameters at its beginning. The update is the optimiser's, whichever it is. The growth is
    divided by its mean (ours), so that tasks of different units add up; negative w is clamped, as
    usual.
    """

    class Config(MethodConfig):
        weight: float = setting(100.0, "factor of the quadratic penalty (2 c)", "ours", ge=0)
        damping: float = setting(1e-3, "xi, bounds importances of parameters that hardly changed",
                                 "paper", gt=0)

    name = "si"
    summary = "holds parameters back by what they did for the loss while learning"
    reference = "Zenke et al., Continual Learning Through Synaptic Intelligence, ICML 2017"
    grid = {"weight": [1.0, 10.0, 100.0, 1000.0, 10000.0]}
    stores = "importance, old value and path of every backbone parameter"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._path: Parameters = {}
        self._start: Parameters = {}

    def before_backbone_change(self, network: Network) -> None:
        super().before_backbone_change(network)
        self._path, self._start = {}, {}

    def begin_phase(self, phase: Phase) -> None:
        if self.active:
            self._start = {name: value.clone()
                           for name, value in trainable_weights(phase.network).items()}
            self._path = {name: torch.zeros_like(value) for name, value in self._start.items()}

    def edit_update(self, step: Step, before: Mapping[str, Tensor]) -> None:
        live = {name: parameter for name, parameter in step.network.backbone.named_parameters()
                if name in self._path}
        gradients = {name: parameter.grad for name, parameter in live.items()
                     if parameter.grad is not None}
        if not gradients:
            return
        old = {name: before[f"backbone.{name}"] for name in gradients}
        if held := [name for name in gradients if name in self.omega]:
            penalty = torch._foreach_sub([old[name] for name in held],
                                         [self.anchor[name] for name in held])
            torch._foreach_mul_(penalty, [self.omega[name] for name in held])
            without = torch._foreach_sub([gradients[name] for name in held], penalty,
                                         alpha=self.config.weight)
            gradients |= dict(zip(held, without, strict=True))
        moved = torch._foreach_sub(list(old.values()), [live[name] for name in gradients])
        torch._foreach_addcmul_([self._path[name] for name in gradients],
                                list(gradients.values()), moved)

    def importance(self, phase: Phase) -> Parameters:
        end = trainable_weights(phase.network)
        omega = {name: path.clamp(min=0) / ((end[name] - self._start[name]).square()
                                            + self.config.damping)
                 for name, path in self._path.items()}
        self._path, self._start = {}, {}
        return with_mean_one(omega)

    def state_dict(self) -> State:
        return super().state_dict() | {"path": dict(self._path), "start": dict(self._start)}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._path, self._start = dict(state["path"]), dict(state["start"])
