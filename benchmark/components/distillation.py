"""Distillation from the network of the phase before: one weighted term per old task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from benchmark.components.teacher import Teacher
from benchmark.method import Method, MethodConfig, Phase, State, Step, kinds, phase_batches, setting
from benchmark.tasks import Task
from benchmark.tasks.losses import Kind


class DistillationConfig(MethodConfig):
    """Settings of every method that matches outputs of the network of the phase before."""

    subset: int | None = setting(
        None, "distil so many old tasks in each step, drawn at random, their terms multiplied so "
        "that the expected loss stays the same; none: all", "ours", later=True, ge=1)


class Distillation(Method):
    """Preserves old tasks by matching the network of the phase before on the new images.

    A subclass defines `old_loss`; its configuration is a `DistillationConfig` with a `weight`.
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
        """Scalar loss of one old task from the student's raw output [B, C, H, W] and what
        `teacher_outputs` gives for the task."""

    def share(self, old_tasks: int) -> float:
        """The factor of each old task's loss, given how many there are."""
        return float(self.config.weight)

    def matches_features(self, phase: Phase) -> bool:
        """Whether `feature_terms` uses the teacher's features in this phase."""
        return False

    def feature_terms(self, step: Step) -> dict[str, Tensor]:
        """Further terms, from features of student and teacher, in phases with old tasks."""
        return {}

    def teacher_outputs(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """What the student's outputs are matched to: raw outputs [B, channels, H, W] by default."""
        return self.teacher.outputs(step, tasks)

    def begin_phase(self, phase: Phase) -> None:
        if self.active:
            self.teacher.begin_phase(phase, stages=self.matches_features(phase))

    def loss(self, step: Step) -> dict[str, Tensor]:
        old = step.phase.old_tasks
        share = self.share(len(old)) if old and self.active else 0.0
        chosen = self._chosen(old) if share else ()
        if chosen:
            step.outputs((*step.phase.tasks, *chosen))
        terms = step.new_losses()
        if old and self.active:
            if chosen:
                factor = share * len(old) / len(chosen)
                outputs = self.teacher_outputs(step, chosen)
                for task, kind in kinds(chosen):
                    loss = self.old_loss(task, kind, step.output(task), outputs[task.name])
                    terms[f"{task.name}/old"] = factor * loss
            terms |= self.feature_terms(step)
        return terms

    def _chosen(self, old: Sequence[Task]) -> Sequence[Task]:
        """The old tasks of a step, drawn with torch's global CPU generator; all, without using it,
        unless `subset` is smaller."""
        subset: int | None = self.config.subset
        if subset is None or subset >= len(old):
            return old
        return [old[index] for index in sorted(torch.randperm(len(old))[:subset].tolist())]

    def capture_teacher(self, phase: Phase) -> None:
        """Keep the teacher of the next phase."""
        self.teacher.capture(phase.network)

    def end_phase(self, phase: Phase) -> None:
        if self.active:
            self.capture_teacher(phase)

    def state_dict(self) -> State:
        return {"teacher": self.teacher.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self.teacher.load_state_dict(state["teacher"])


class OutputConfig(DistillationConfig):
    """Settings of every method that matches old outputs as LwF does."""

    weight: float = setting(1.0, "factor of the distillation terms", "ours", ge=0)
    temperature: float = setting(2.0, "temperature of soft targets", "paper", gt=0)
    targets: Literal["soft", "hard"] = setting(
        "soft", "the teacher's distribution or its pseudo-label", "paper")
    scale: Literal["loss", "none"] = setting(
        "loss", "divide a task's term by its loss at the end of its phase", "ours")


class OutputDistillation(Distillation):
    """weight * sum_k w_k * mean over pixels of the distance to the teacher's output.

    The distance is the task kind's: T^2 KL for classes, L1 for maps, 1 - cos for directions. T = 2
    is LwF's; the factor T^2 is not (it is Hinton et al.'s, and keeps the size of gradients), so a
    `weight` of 1 is T^2 times the paper's.
    With `scale=loss`, w_k is 1 / (task k's supervised loss when its phase ended), which makes
    `weight` free of units (our choice: LwF's paper has classification tasks only).
    """

    Config = OutputConfig
    stores = "the network of the phase before, one number per task"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._losses: dict[str, float] = {}
        """Supervised loss of each old task when its phase ended."""

    def scaled(self, task: Task, loss: Tensor) -> Tensor:
        """w_k times a loss of task k."""
        return loss / max(self._losses[task.name], 1e-6) if self._losses else loss

    def old_loss(self, task: Task, kind: Kind, raw: Tensor, teacher: Tensor) -> Tensor:
        return self.scaled(task, kind.distance(
            raw, teacher, soft=self.config.targets == "soft",
            temperature=self.config.temperature).mean())

    @torch.no_grad()
    def end_phase(self, phase: Phase) -> None:
        super().end_phase(phase)
        if self.active and self.config.scale == "loss":
            for task, kind in kinds(phase.tasks):
                losses = [kind.loss(step.output(task), step.batch.targets[task.name])
                          for step in phase_batches(phase, phase.network.recipe.batch)]
                self._losses[task.name] = float(torch.stack(losses).mean())

    def state_dict(self) -> State:
        return super().state_dict() | {"losses": dict(self._losses)}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._losses = dict(state["losses"])
