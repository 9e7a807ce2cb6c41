"""JointDistill (Cheng et al. 2025): single-task teachers, adaptive weights, a connector."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.components.ema import RunningAverage
from benchmark.components.teacher import Teacher
from benchmark.components.train_teacher import HeldOutImages, train_teacher
from benchmark.method import Method, MethodConfig, Phase, State, Step, kinds, setting
from benchmark.model.heads import upsample
from benchmark.seeds import derive, isolated
from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of

WIDEST = 256
"""Most channels of the connected features, as DeepLab's head has."""
_LEAST = 1e-6
"""Least held-out loss, since scores are its inverse."""
Outputs = Callable[[Step], dict[str, Tensor]]
"""Raw outputs [B, channels, H, W] by task, for the images of a step."""


class JointConfig(MethodConfig):
    """Settings of both forms of JointDistill; the paper's own values are not known to us."""

    weight: float = setting(1.0, "factor of everything that is distilled", "ours", ge=0)
    feature_weight: float = setting(1.0, "factor of the match with the connected features", "ours",
                                    ge=0)
    trajectory_weight: float = setting(0.5, "factor of a new task's trajectory", "ours", ge=0)
    trajectory_decay: float = setting(0.5, "share of the trajectory that is kept at each update",
                                      "ours", ge=0, lt=1)
    alpha: float = setting(1.0, "exponent of the mean score in the weights' rule", "ours")
    beta: float = setting(0.1, "step of the weights' rule", "ours", ge=0, le=1)
    temperature: float = setting(2.0, "temperature of soft targets", "ours", gt=0)
    targets: Literal["teachers", "connector"] = setting(
        "teachers", "whose outputs the student's are matched to", "ours")
    teacher_epochs: int | None = setting(
        None, "epochs of each single-task teacher; none: the recipe's", "ours", ge=1)
    held_out: float = setting(0.1, "share of a phase's images whose labels are kept for scoring",
                              "ours", gt=0, lt=1)


def adapt_weights(weights: Mapping[str, float], scores: Mapping[str, float],
                  alpha: float, beta: float) -> dict[str, float]:
    """One step of the weights' rule over N tasks, then scaled to mean 1 again (ours: without
    it, all weights shrink).

    w_i <- w_i - beta w_i d/dw_i (w_i - mean(w) a_i mean(a)^(alpha - 1)), with a_i the student's
    score over its teacher's; the derivative is 1 - a_i mean(a)^(alpha - 1) / N.
    """
    count = len(weights)
    level = (sum(scores.values()) / count) ** (alpha - 1) / count
    updated = {task: weight * (1 - beta * (1 - scores[task] * level))
               for task, weight in weights.items()}
    total = sum(updated.values())
    return {task: count * weight / total for task, weight in updated.items()}


class Connector(nn.Module):
    """Joins teachers' features: concat, two convolutions (1x1 and 3x3), batch norm, ReLU; a 1x1
    convolution per task gives its output from the result, another adapts the student's features
    to it."""

    def __init__(self, channels: Sequence[int], student: int, tasks: Iterable[Task]) -> None:
        super().__init__()
        width = min(student, WIDEST)
        self.join = nn.Sequential(
            nn.Conv2d(sum(channels), width, 1, bias=False),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width, track_running_stats=False), nn.ReLU())
        self.heads = nn.ModuleDict({task.name: nn.Conv2d(width, task.channels, 1)
                                    for task in tasks})
        self.adapter = nn.Conv2d(student, width, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Teachers' features [B, C_i, h_i, w_i] to connected ones [B, width, h, w], at the last
        teacher's resolution."""
        size = features[-1].shape[-2:]
        joined: Tensor = self.join(torch.cat([upsample(each, size) for each in features], dim=1))
        return joined

    def output(self, task: Task, joined: Tensor) -> Tensor:
        """A task's raw output [B, channels, h, w] from connected features, in full precision."""
        raw: Tensor = self.heads[task.name](joined)
        return raw.float()

    def feature_error(self, features: Tensor, joined: Tensor) -> Tensor:
        """Mean squared error between the student's adapted features and the connected ones."""
        return F.mse_loss(self.adapter(features).float(), joined.detach().float())


class JointDistillation(Method):
    """What both forms of JointDistill compute; the formulas are those of `jointdistill`.

    The teacher of all old tasks is the network of the phase before; each new task has its own.
    """

    family = "distillation"
    stores = "the network of the phase before, one number per task"
    needs = ("teacher",)
    zero = {"weight": 0.0}
    reference = "Cheng et al., JointDistill, arXiv 2505.10057, 2025"
    Config = JointConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.old_teacher = Teacher()
        self.old_losses: dict[str, float] = {}
        """Held-out loss of each old task when its phase ended."""
        self.weights: dict[str, float] = {}
        self.trajectories: dict[str, RunningAverage] = {}
        """Of the phase's new tasks; empty until the first update."""
        self._best: dict[str, float] = {}
        self._steps = 0
        self._new_teachers: dict[str, Teacher] = {}
        self._connector: Connector | None = None

    # -- a phase ------------------------------------------------------------------------------

    def begin_phase(self, phase: Phase) -> None:
        if not self.active:
            return
        tasks, network = (*phase.old_tasks, *phase.tasks), phase.network
        self._steps_per_epoch = phase.data.steps_per_epoch
        self._held_out = HeldOutImages(phase, self.config.held_out)
        self._scoring_steps = [Step(phase, batch) for batch in self._held_out.batches(phase)]
        self.old_teacher.begin_phase(phase, stages=True)
        self._new_teachers = {task.name: self._train_teacher(phase, task) for task in phase.tasks}
        self._teacher_losses = self.old_losses | self._held_out_losses(phase.tasks, lambda step: {
            task.name: self._new_teachers[task.name].outputs(step, [task])[task.name]
            for task in phase.tasks})
        channels = [teacher.channels for teacher in self._all_teachers()]
        with isolated(derive(network.seed, "connector", phase.number)):
            connector = Connector(channels, network.backbone.channels, tasks)
        self._connector = connector.to(network.mean.device)
        self.weights = {task.name: 1.0 for task in tasks}
        self.trajectories = {task.name: RunningAverage() for task in phase.tasks}
        self._best, self._steps = {}, 0

    def _train_teacher(self, phase: Phase, task: Task) -> Teacher:
        epochs = self.config.teacher_epochs or phase.network.recipe.epochs
        teacher = Teacher(train_teacher(phase, [task], epochs, self._held_out))
        teacher.begin_phase(phase, stages=True, tasks=[task])
        return teacher

    def _all_teachers(self) -> list[Teacher]:
        return [*([self.old_teacher] if self.old_teacher else []), *self._new_teachers.values()]

    def parameters(self) -> Iterable[nn.Parameter]:
        return self._connector.parameters() if self._connector else ()

    def loss(self, step: Step) -> dict[str, Tensor]:
        if self._connector is None:
            return step.new_losses()
        if self._steps % self._steps_per_epoch == 0:
            self._update_weights_and_trajectories(step.phase)
        self._steps += 1
        supervised = self._held_out.losses(step)
        distillation = self._distillation_terms(step)
        return supervised | {
            name: self.config.weight * term for name, term in distillation.items()}

    def _distillation_terms(self, step: Step) -> dict[str, Tensor]:
        assert self._connector is not None
        old, new, terms = step.phase.old_tasks, step.phase.tasks, {}
        outputs = self.old_teacher.coarse_outputs(step, old) if old else {}
        for task in new:
            outputs |= self._new_teachers[task.name].coarse_outputs(step, [task])
        joined = self._connector([teacher.features(step) for teacher in self._all_teachers()])
        for task in (*old, *new):
            name, output = task.name, outputs[task.name]
            weight, connected = self.weights[name], self._connector.output(task, joined)
            terms[f"{name}/connector"] = weight * self._distance(
                step, task, connected, output)
            target = output if self.config.targets == "teachers" else connected.detach()
            terms[f"{name}/output"] = weight * self._distance(
                step, task, step.output(task), target)
        for task in new:
            if trajectory := self.trajectories[task.name]:
                target = trajectory.outputs(step, [task])[task.name]
                terms[f"{task.name}/trajectory"] = self.config.trajectory_weight * self._distance(
                    step, task, step.output(task), target)
        terms["backbone/connector"] = self.config.feature_weight * self._connector.feature_error(
            step.features, joined)
        return terms

    def _distance(self, step: Step, task: Task, raw: Tensor, target: Tensor) -> Tensor:
        """Mean distance of a raw output to a target of any size, in units of the teacher's loss."""
        target = step.network.enlarge(target, raw.shape[-2:])
        distance = kind_of(task).distance(raw, target, temperature=self.config.temperature)
        return distance.mean() / self._teacher_losses[task.name]

    def end_phase(self, phase: Phase) -> None:
        if self.active:
            self.old_losses |= self._held_out_losses(phase.tasks,
                                                     self._student(phase, phase.tasks))
            self.old_teacher.capture(phase.network)
            self._new_teachers, self._connector, self.trajectories = {}, None, {}
            self.weights, self._best, self._scoring_steps = {}, {}, []

    # -- scores -------------------------------------------------------------------------------

    def _student(self, phase: Phase, tasks: Sequence[Task]) -> Outputs:
        names = [task.name for task in tasks]
        return lambda step: phase.network.outputs(step.images, names)

    @torch.no_grad()
    def _held_out_losses(self, tasks: Sequence[Task], outputs: Outputs) -> dict[str, float]:
        """Mean loss over the held-out images: for a new task the supervised loss; for an old one,
        which has no labels any more, its loss when its phase ended plus the distance of its outputs
        to those of that time."""
        sums: dict[str, Tensor] = {}
        for step in self._scoring_steps:
            # In full precision, as the teachers' losses are: the two are compared.
            with torch.autocast(step.images.device.type, enabled=False):
                raws = outputs(step)
                for task, kind in kinds(tasks):
                    if task.name in self.old_losses:
                        old = self.old_teacher.outputs(step, [task])[task.name]
                        loss = kind.distance(raws[task.name], old)
                        counted = torch.ones_like(loss)
                    else:
                        target = step.batch.targets[task.name]
                        loss, counted = kind.loss_map(raws[task.name], target), kind.valid(target)
                    sums[task.name] = torch.stack([loss.sum(), counted.sum()]) + sums.get(
                        task.name, 0.0)
        if not sums:  # too few images to hold any out
            return {task.name: 1.0 for task in tasks}
        totals = dict(zip(sums, torch.stack(list(sums.values())).tolist(), strict=True))
        return {name: max(self.old_losses.get(name, 0.0) + loss / max(counted, 1.0), _LEAST)
                for name, (loss, counted) in totals.items()}

    def _update_weights_and_trajectories(self, phase: Phase) -> None:
        """Score the student, update the weights, and the trajectories of tasks that improved."""
        tasks, network = (*phase.old_tasks, *phase.tasks), phase.network
        network.eval()
        losses = self._held_out_losses(tasks, self._student(phase, tasks))
        network.train()
        scores = {name: self._teacher_losses[name] / loss for name, loss in losses.items()}
        self.weights = adapt_weights(self.weights, scores, self.config.alpha, self.config.beta)
        for name, trajectory in self.trajectories.items():
            if losses[name] < self._best.get(name, 0.0):
                trajectory.update(network, 1 - self.config.trajectory_decay, [name])
            self._best[name] = min(losses[name], self._best.get(name, math.inf))

    # -- state --------------------------------------------------------------------------------

    def state_dict(self) -> State:
        return {"past": self.old_teacher.state_dict(), "reached": dict(self.old_losses),
                "weights": dict(self.weights), "best": dict(self._best), "steps": self._steps,
                "trajectories": {name: trajectory.state_dict()
                                 for name, trajectory in self.trajectories.items()}}

    def load_state_dict(self, state: State) -> None:
        self.old_teacher.load_state_dict(state["past"])
        self.old_losses, self.weights = dict(state["reached"]), dict(state["weights"])
        self._best, self._steps = dict(state["best"]), state["steps"]
        self.trajectories = {name: RunningAverage() for name in state["trajectories"]}
        for name, trajectory in self.trajectories.items():
            trajectory.load_state_dict(state["trajectories"][name])
