"""EMA: the teacher is the student's own running average (Tarvainen and Valpola 2017)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from benchmark.components.distillation import OutputConfig, OutputDistillation
from benchmark.components.ema import RunningAverage
from benchmark.components.teacher import Teacher
from benchmark.method import Phase, State, Step, setting
from benchmark.tasks import Task


class EMA(OutputDistillation):
    """L = L_new + weight * sum_k w_k D(o_k, o_k^A), A the running average of the network itself.

    D and w_k as in lwf. Before each step theta_A <- d theta_A + (1 - d) theta, over backbone, old
    heads and batch norm statistics.

    Ours: published rates (.999 a step) are for trainings of 10^4 steps and more, while a phase may
    have 80. `decay` is the share of the average left after one phase: d = decay ^ (1 / its steps).
    Each phase begins with A equal to the network, since a newly trained head fits no older
    backbone; so decay = 1 would be lwf. After a change of backbone nothing can be averaged: the
    network of the phase before is the teacher, unchanged.
    """

    class Config(OutputConfig):
        decay: float = setting(0.75, "share of the average that is left after a whole phase",
                               "ours", gt=0, le=1)

    name = "ema"
    summary = "matches the outputs of its own running average"
    reference = "Tarvainen and Valpola, Mean Teachers, NeurIPS 2017"
    grid = {"weight": [0.3, 1.0, 3.0, 10.0], "decay": [0.5, 0.75, 0.9]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.average = RunningAverage()
        self._rate = 0.0

    def begin_phase(self, phase: Phase) -> None:
        self.teacher = Teacher(self.average.snapshot) if phase.new_backbone else Teacher()
        super().begin_phase(phase)
        if self.average and not self.teacher:
            self.average.network(phase.network)
        steps = phase.data.steps_per_epoch * phase.network.recipe.epochs
        self._rate = 1 - self.config.decay ** (1 / steps)

    def loss(self, step: Step) -> dict[str, Tensor]:
        if self.average and not self.teacher:
            old = [task.name for task in step.phase.old_tasks]
            self.average.update(step.network, self._rate, old)
        return super().loss(step)

    def teacher_outputs(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        return (self.teacher or self.average).outputs(step, tasks)

    def capture_teacher(self, phase: Phase) -> None:
        self.average, self.teacher = RunningAverage(), Teacher()
        self.average.update(phase.network, 1.0)

    def state_dict(self) -> State:
        return super().state_dict() | {"average": self.average.state_dict()}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.average.load_state_dict(state["average"])
