"""Separate models: every task has a backbone of its own, trained on its own block."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from benchmark.method import Method, Phase, State
from benchmark.model.network import Network
from benchmark.tasks import Task


class Separate(Method):
    """Single-task learning on the stream's own blocks: nothing shared, nothing forgotten.

    Every phase starts from the same first weights, so each equals a first phase. Costs a whole
    backbone per task.
    """

    name = "separate"
    summary = "trains one network per task on that task's own block"
    family = "reference"
    stores = "one backbone per task"
    needs = ("task id",)
    kind = "bound"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._backbones: dict[str, dict[str, Tensor]] = {}

    def begin_phase(self, phase: Phase) -> None:
        if phase.number > 1:
            phase.network.restart()

    def end_phase(self, phase: Phase) -> None:
        weights = {name: value.detach().clone()
                   for name, value in phase.network.backbone.state_dict().items()}
        self._backbones |= {task.name: weights for task in phase.tasks}

    def predict(self, network: Network, images: Tensor,
                tasks: Sequence[Task]) -> dict[str, Tensor]:
        raws: dict[str, Tensor] = {}
        for task in tasks:
            raws |= network.outputs(images, [task.name], self._backbones[task.name])
        return raws

    def parameters_added(self, network: Network) -> int:
        own = sum(parameter.numel() for parameter in network.backbone.parameters())
        return own * max(len(self._backbones) - 1, 0)

    def state_dict(self) -> State:
        return dict(self._backbones)

    def load_state_dict(self, state: State) -> None:
        self._backbones = dict(state)
