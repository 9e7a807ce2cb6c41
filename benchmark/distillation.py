"""What all distillation methods share: a teacher, and one weighted term per old task."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor

from benchmark.method import Method, Phase, State, Step, kinds
from benchmark.tasks import Task
from benchmark.tasks.kinds import Kind
from benchmark.teacher import Teacher


class Distillation(Method):
    """Keeps old tasks by matching the network of the phase before on the new images.

    A subclass defines `old_loss`; its configuration has a `weight`.
    """

    family = "distillation"
    stores = "the network of the phase before"
    needs = ("teacher",)
    zero = {"weight": 0.0}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.teacher = Teacher()

    @abstractmethod
    def old_loss(self, task: Task, kind: Kind, raw: Tensor, teacher: Tensor) -> Tensor:
        """Scalar loss of one old task from raw outputs [B, C, H, W] of student and teacher."""

    def share(self, old_tasks: int) -> float:
        """The factor of each old task's loss, given how many there are."""
        return float(self.config.weight)

    def begin_phase(self, phase: Phase) -> None:
        if self.config.weight:
            self.teacher.begin_phase(phase)

    def loss(self, step: Step) -> dict[str, Tensor]:
        terms = step.new_losses()
        old = step.phase.old_tasks
        if old and self.config.weight:
            told = self.teacher.outputs(step, old)
            for task, kind in kinds(old):
                loss = self.old_loss(task, kind, step.output(task), told[task.name])
                terms[f"{task.name}/old"] = self.share(len(old)) * loss
        return terms

    def end_phase(self, phase: Phase) -> None:
        if self.config.weight:
            self.teacher.learn(phase.network)

    def state_dict(self) -> State:
        return {"teacher": self.teacher.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self.teacher.load_state_dict(state["teacher"])
