"""Separate models: every task has a backbone of its own, trained on its own block."""

from benchmark.components.isolation import Isolation, Tensors
from benchmark.method import Phase


class Separate(Isolation):
    """Single-task learning on the stream's own blocks: nothing shared, nothing forgotten.

    Every phase starts from the same initial weights, so each equals a first phase. Costs a whole
    backbone per task.
    """

    name = "separate"
    summary = "trains one network per task on that task's own block"
    family = "reference"
    stores = "one backbone per task"
    kind = "bound"

    def begin_phase(self, phase: Phase) -> None:
        if phase.number > 1:
            phase.network.reset_backbone()

    def part(self, phase: Phase) -> Tensors:
        return {name: value.detach().clone()
                for name, value in phase.network.backbone.state_dict().items()}
