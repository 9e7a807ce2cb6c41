"""JointDistill (Cheng et al. 2025): teachers of one task, adaptive weights, a connector."""

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
from benchmark.model.network import upsample
from benchmark.seeds import derive, isolated
from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of

WIDEST = 256
"""Most channels of the connected features, as DeepLab's head has."""
_LEAST = 1e-6
Answer = Callable[[Step], dict[str, Tensor]]
"""Raw outputs [B, channels, H, W] by task, for the images of a step."""


class JointConfig(MethodConfig):
    """Settings of both forms of JointDistill; the paper's own values are not known to us."""

    weight: float = setting(1.0, "factor of everything that is distilled", "ours", ge=0)
    feature_weight: float = setting(1.0, "factor of the match with the connected features", "ours",
                                    ge=0)
    trajectory_weight: float = setting(0.5, "factor of a new task's trajectory", "ours", ge=0)
    trajectory_decay: float = setting(0.5, "share of the trajectory that is left at each advance",
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


def adapted(weights: Mapping[str, float], scores: Mapping[str, float], alpha: float,
            beta: float) -> dict[str, float]:
    """One step of the weights' rule over N tasks, then scaled to mean 1 again (ours: left alone,
    all weights shrink).

    w_i <- w_i - beta w_i d/dw_i (w_i - mean(w) a_i mean(a)^(alpha - 1)), with a_i the student's
    score over its teacher's; the derivative is 1 - a_i mean(a)^(alpha - 1) / N.
    """
    count = len(weights)
    level = (sum(scores.values()) / count) ** (alpha - 1) / count
    moved = {task: weight * (1 - beta * (1 - scores[task] * level))
             for task, weight in weights.items()}
    total = sum(moved.values())
    return {task: count * weight / total for task, weight in moved.items()}


class Connector(nn.Module):
    """Joins teachers' features: concat, two convolutions (1x1 and 3x3), batch norm, ReLU; a 1x1
    convolution reads each task from the result, another brings the student's features to it."""

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

    def read(self, task: Task, joined: Tensor) -> Tensor:
        """A task's raw output [B, channels, h, w] from connected features, in full precision."""
        raw: Tensor = self.heads[task.name](joined)
        return raw.float()

    def mismatch(self, features: Tensor, joined: Tensor) -> Tensor:
        """Mean squared error between the student's adapted features and the connected ones."""
        return F.mse_loss(self.adapter(features).float(), joined.detach().float())


class JointDistillation(Method):
    """What both forms of JointDistill compute; the methods that derive from it say what it means.

    Old tasks are taught by the network of the phase before, each new one by a network of its own.
    """

    family = "distillation"
    stores = "the network of the phase before, one number per task"
    needs = ("teacher",)
    zero = {"weight": 0.0}
    reference = "Cheng et al., JointDistill, arXiv 2505.10057, 2025"
    Config = JointConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.past = Teacher()
        self.reached: dict[str, float] = {}
        """Held-out loss of each old task when its phase ended."""
        self.weights: dict[str, float] = {}
        self.trajectories: dict[str, RunningAverage] = {}
        """Of the phase's new tasks; empty until the first advance."""
        self._best: dict[str, float] = {}
        self._steps = 0
        self._teachers: dict[str, Teacher] = {}
        self._connector: Connector | None = None

    # -- a phase ------------------------------------------------------------------------------

    def begin_phase(self, phase: Phase) -> None:
        if not self.config.weight:
            return
        tasks, network = (*phase.old_tasks, *phase.tasks), phase.network
        self._epoch = phase.data.steps_per_epoch
        self._held_out = HeldOutImages(phase, self.config.held_out)
        self._probes = [Step(phase, batch) for batch in self._held_out.batches(phase)]
        self.past.begin_phase(phase, stages=True)
        self._teachers = {task.name: self._teacher(phase, task) for task in phase.tasks}
        self._aims = self.reached | self._losses(phase.tasks, lambda step: {
            task.name: self._teachers[task.name].outputs(step, [task])[task.name]
            for task in phase.tasks})
        channels = [teacher.channels for teacher in self._all_teachers()]
        with isolated(derive(network.seed, "connector", phase.number)):
            connector = Connector(channels, network.backbone.channels, tasks)
        self._connector = connector.to(network.mean.device)
        self.weights = {task.name: 1.0 for task in tasks}
        self.trajectories = {task.name: RunningAverage() for task in phase.tasks}
        self._best, self._steps = {}, 0

    def _teacher(self, phase: Phase, task: Task) -> Teacher:
        epochs = self.config.teacher_epochs or phase.network.recipe.epochs
        teacher = Teacher(train_teacher(phase, [task], epochs, self._held_out))
        teacher.begin_phase(phase, stages=True, tasks=[task])
        return teacher

    def _all_teachers(self) -> list[Teacher]:
        return [*([self.past] if self.past else []), *self._teachers.values()]

    def parameters(self) -> Iterable[nn.Parameter]:
        return self._connector.parameters() if self._connector else ()

    def loss(self, step: Step) -> dict[str, Tensor]:
        if self._connector is None:
            return step.new_losses()
        if self._steps % self._epoch == 0:
            self._advance(step.phase)
        self._steps += 1
        return self._held_out.losses(step) | {
            name: self.config.weight * term for name, term in self._distilled(step).items()}

    def _distilled(self, step: Step) -> dict[str, Tensor]:
        assert self._connector is not None
        old, new, terms = step.phase.old_tasks, step.phase.tasks, {}
        told = self.past.coarse(step, old) if old else {}
        for task in new:
            told |= self._teachers[task.name].coarse(step, [task])
        joined = self._connector([teacher.features(step) for teacher in self._all_teachers()])
        for task in (*old, *new):
            name, target = task.name, told[task.name]
            weight, read = self.weights[name], self._connector.read(task, joined)
            terms[f"{name}/connector"] = weight * self._apart(task, read, target)
            matched = target if self.config.targets == "teachers" else read.detach()
            terms[f"{name}/told"] = weight * self._apart(task, step.output(task), matched)
        for task in new:
            if trajectory := self.trajectories[task.name]:
                target = trajectory.outputs(step, [task])[task.name]
                terms[f"{task.name}/trajectory"] = self.config.trajectory_weight * self._apart(
                    task, step.output(task), target)
        terms["backbone/connector"] = self.config.feature_weight * self._connector.mismatch(
            step.features, joined)
        return terms

    def _apart(self, task: Task, raw: Tensor, target: Tensor) -> Tensor:
        """Mean distance of a raw output to a target of any size, in units of the task's aim."""
        target = upsample(target, raw.shape[-2:])
        distance = kind_of(task).distance(raw, target, temperature=self.config.temperature)
        return distance.mean() / self._aims[task.name]

    def end_phase(self, phase: Phase) -> None:
        if self.config.weight:
            self.reached |= self._losses(phase.tasks, self._student(phase, phase.tasks))
            self.past.capture(phase.network)
            self._teachers, self._connector, self.trajectories = {}, None, {}
            self.weights, self._best, self._probes = {}, {}, []

    # -- scores -------------------------------------------------------------------------------

    def _student(self, phase: Phase, tasks: Sequence[Task]) -> Answer:
        names = [task.name for task in tasks]
        return lambda step: phase.network.outputs(step.images, names)

    @torch.no_grad()
    def _losses(self, tasks: Sequence[Task], answer: Answer) -> dict[str, float]:
        """Mean loss over the held-out images: a new task's supervised one; an old task's when its
        phase ended, plus how far the outputs have gone from what they were (no labels are left)."""
        sums: dict[str, Tensor] = {}
        for step in self._probes:
            # In full precision, as the teachers' losses are: the two are compared.
            with torch.autocast(step.images.device.type, enabled=False):
                raws = answer(step)
                for task, kind in kinds(tasks):
                    if task.name in self.reached:
                        told = self.past.outputs(step, [task])[task.name]
                        lost = kind.distance(raws[task.name], told)
                        counted = torch.ones_like(lost)
                    else:
                        target = step.batch.targets[task.name]
                        lost, counted = kind.loss_map(raws[task.name], target), kind.valid(target)
                    sums[task.name] = torch.stack([lost.sum(), counted.sum()]) + sums.get(
                        task.name, 0.0)
        if not sums:  # too few images to hold any out
            return {task.name: 1.0 for task in tasks}
        found = dict(zip(sums, torch.stack(list(sums.values())).tolist(), strict=True))
        return {name: max(self.reached.get(name, 0.0) + lost / max(counted, 1.0), _LEAST)
                for name, (lost, counted) in found.items()}

    def _advance(self, phase: Phase) -> None:
        """Score the student, move the weights, and the trajectories of what has become better."""
        tasks, network = (*phase.old_tasks, *phase.tasks), phase.network
        network.eval()
        losses = self._losses(tasks, self._student(phase, tasks))
        network.train()
        scores = {name: self._aims[name] / loss for name, loss in losses.items()}
        self.weights = adapted(self.weights, scores, self.config.alpha, self.config.beta)
        for name, trajectory in self.trajectories.items():
            if losses[name] < self._best.get(name, 0.0):
                trajectory.follow(network, 1 - self.config.trajectory_decay, [name])
            self._best[name] = min(losses[name], self._best.get(name, math.inf))

    # -- state --------------------------------------------------------------------------------

    def state_dict(self) -> State:
        return {"past": self.past.state_dict(), "reached": dict(self.reached),
                "weights": dict(self.weights), "best": dict(self._best), "steps": self._steps,
                "trajectories": {name: trajectory.state_dict()
                                 for name, trajectory in self.trajectories.items()}}

    def load_state_dict(self, state: State) -> None:
        self.past.load_state_dict(state["past"])
        self.reached, self.weights = dict(state["reached"]), dict(state["weights"])
        self._best, self._steps = dict(state["best"]), state["steps"]
        self.trajectories = {name: RunningAverage() for name in state["trajectories"]}
        for name, trajectory in self.trajectories.items():
            trajectory.load_state_dict(state["trajectories"][name])
