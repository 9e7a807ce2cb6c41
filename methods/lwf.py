"""LwF: Learning without Forgetting (Li and Hoiem 2016), for any dense task."""

from typing import Any, Literal

import torch
from torch import Tensor

from benchmark.distillation import Distillation
from benchmark.method import MethodConfig, Phase, State, kinds, own_images, setting
from benchmark.tasks import Task
from benchmark.tasks.kinds import Kind


class LwF(Distillation):
    """L = L_new + weight * sum_k w_k * mean over pixels of the distance to the teacher's output.

    The distance is the task kind's: T^2 KL for classes, L1 for maps, 1 - cos for directions.
    With `scale=loss`, w_k is 1 / (task k's supervised loss when its phase ended), which makes
    `weight` free of units (our choice: the paper has classification tasks only).
    """

    class Config(MethodConfig):
        weight: float = setting(1.0, "factor of the distillation terms", "paper", ge=0)
        temperature: float = setting(2.0, "temperature of soft targets", "paper", gt=0)
        targets: Literal["soft", "hard"] = setting(
            "soft", "the teacher's distribution or its pseudo-label", "paper")
        scale: Literal["loss", "none"] = setting(
            "loss", "divide a task's term by its loss at the end of its phase", "ours")

    name = "lwf"
    summary = "matches the previous network's outputs on the new images"
    reference = "Li and Hoiem, Learning without Forgetting, 2016"
    stores = "the network of the phase before, one number per task"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._losses: dict[str, float] = {}

    def old_loss(self, task: Task, kind: Kind, raw: Tensor, teacher: Tensor) -> Tensor:
        distance = kind.distance(raw, teacher, soft=self.config.targets == "soft",
                                 temperature=self.config.temperature).mean()
        return distance / max(self._losses[task.name], 1e-6) if self._losses else distance

    @torch.no_grad()
    def end_phase(self, phase: Phase) -> None:
        super().end_phase(phase)
        if self.config.weight and self.config.scale == "loss":
            for task, kind in kinds(phase.tasks):
                found = [kind.loss(step.output(task), step.batch.targets[task.name])
                         for step in own_images(phase, phase.network.recipe.batch)]
                self._losses[task.name] = float(torch.stack(found).mean())

    def state_dict(self) -> State:
        return super().state_dict() | {"losses": dict(self._losses)}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._losses = dict(state["losses"])
