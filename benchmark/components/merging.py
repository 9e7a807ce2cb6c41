"""Merging: the backbones that phases end with, made into one."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor, nn

from benchmark.components.isolation import Isolation, Tensors, estimate_statistics
from benchmark.components.teacher import Teacher
from benchmark.method import Method, MethodConfig, Phase, State, Step, kinds, setting
from benchmark.model.network import Network
from benchmark.model.snapshot import Snapshot
from benchmark.seeds import derive
from benchmark.tasks import Task

Outputs = Callable[[Step], dict[str, Tensor]]
"""Raw outputs [B, channels, H, W] of some tasks on the images of a step."""


class MergingConfig(MethodConfig):
    """Settings of every method that merges backbones."""

    realign_epochs: int = setting(
        0, "epochs in which heads are fitted to the merged backbone (head re-alignment)", "ours",
        later=True, ge=0)


class Merging(Isolation):
    """One backbone for all tasks, merged from those that the phases ended with.

    After a phase the network gets the parameters that `merge` returns, and running statistics
    computed anew on the phase's images. Heads stay as they are, trained on backbones that are no
    longer there; with `realign_epochs` they are then fitted to the merged one (`realign_heads`),
    which takes a copy of the network that the phase began with, and more passes than others have.
    A new backbone begins anew; the tasks before it keep the old network. A subclass defines `merge`
    and, where a phase does not train on from the merged backbone, `start`.
    """

    family = "merging"
    needs = ()
    zero: ClassVar[Mapping[str, Any]] = {"merge": False}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.phases = 0
        """How many backbones are merged, the one at the end of the current phase included."""
        self.previous: Tensors = {}
        """The merged backbone's state when the phase began; none in the first phase."""
        self._teacher = Teacher()

    @abstractmethod
    def merge(self, phase: Phase, trained: Tensors) -> Tensors:
        """The merged parameters, from those that the phase ends with, all by their names in the
        backbone. None at all: the network stays as it is."""

    def start(self, phase: Phase) -> None:
        """Set the backbone that a phase other than the first trains from."""

    def forget(self) -> None:
        """Drop what fits the parameters of a backbone that is about to be replaced."""

    def part(self, phase: Phase) -> Tensors:
        return {}

    def before_backbone_change(self, network: Network) -> None:
        if self.active:
            retired = self._retired_tasks()
            self.current.parts = {task: {} for task in network.tasks if task not in retired}
            super().before_backbone_change(network)
            self.phases = 0
            self.forget()

    def begin_phase(self, phase: Phase) -> None:
        if self.active and self.phases:
            self.previous = {name: value.detach().clone()
                             for name, value in phase.network.backbone.state_dict().items()}
            if self.config.realign_epochs:
                self._teacher.capture(phase.network)
            self.start(phase)

    def end_phase(self, phase: Phase) -> None:
        if not self.active:
            return
        self.phases += 1
        backbone = phase.network.backbone
        if merged := self.merge(phase, parameters_of(backbone)):
            backbone.load_state_dict(merged, strict=False)
            backbone.load_state_dict(estimate_statistics(phase, {}), strict=False)
            if self.config.realign_epochs:
                retired = self._retired_tasks()
                old = [task for task in phase.old_tasks if task.name not in retired]
                realign_heads(phase, old, self.old_outputs(phase, old), self.config.realign_epochs)
        self.previous, self._teacher = {}, Teacher()

    def old_outputs(self, phase: Phase, old: Sequence[Task]) -> Outputs:
        """What old heads are fitted to: the outputs of the network that the phase began with."""
        if not old:
            return lambda step: {}
        self._teacher.begin_phase(phase, tasks=old)
        return lambda step: self._teacher.outputs(step, old)

    def _retired_tasks(self) -> set[str]:
        """Names of the tasks that predict through networks that were replaced."""
        return {task for shared in self.retired for task in shared.parts}

    def state_dict(self) -> State:
        return super().state_dict() | {"phases": self.phases}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.phases = state["phases"]


class ExpertMerging(Merging):
    """A bound: the networks of `separate`, one per task, which are kept and merged after each phase
    into one backbone for all tasks. A subclass defines `merge`."""

    stores = "one network per task"
    kind = "bound"
    zero: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.experts: dict[str, Snapshot] = {}
        """The network of each task on this backbone, with its head alone."""

    def forget(self) -> None:
        self.experts = {}

    def start(self, phase: Phase) -> None:
        phase.network.reset_backbone()

    def add_experts(self, phase: Phase) -> None:
        """Keep the network that the phase ends with as that of its tasks."""
        for task in phase.tasks:
            self.experts[task.name] = Snapshot()
            self.experts[task.name].capture(phase.network, [task.name])

    def task_vectors(self, initial: Tensors) -> list[Tensors]:
        """theta_k - theta_0 of each expert, by the parameters' names in the backbone."""
        return [{name: expert.weights[f"backbone.{name}"] - value
                 for name, value in initial.items()} for expert in self.experts.values()]

    def expert_outputs(self, phase: Phase, tasks: Sequence[Task]) -> Outputs:
        """The outputs of each task by its own expert, on steps of the phase."""
        teachers = {task: Teacher(self.experts[task.name]) for task in tasks}
        for task, teacher in teachers.items():
            teacher.begin_phase(phase, tasks=[task])
        return lambda step: {task.name: teacher.outputs(step, [task])[task.name]
                             for task, teacher in teachers.items()}

    def old_outputs(self, phase: Phase, old: Sequence[Task]) -> Outputs:
        return self.expert_outputs(phase, old)

    def state_dict(self) -> State:
        return super().state_dict() | {"experts": {task: expert.state_dict()
                                                   for task, expert in self.experts.items()}}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self.experts = {task: Snapshot() for task in state["experts"]}
        for task, expert in self.experts.items():
            expert.load_state_dict(state["experts"][task])


class _HeadAlignment(Method):
    """Minimises the new tasks' losses, and old outputs' distances to given ones."""

    def __init__(self, targets: Outputs) -> None:
        super().__init__(MethodConfig())
        self._targets = targets

    def loss(self, step: Step) -> dict[str, Tensor]:
        targets = self._targets(step)
        return step.new_losses() | {
            f"{task.name}/old": kind.distance(step.output(task), targets[task.name]).mean()
            for task, kind in kinds(step.phase.old_tasks)}


def realign_heads(phase: Phase, old: Sequence[Task], targets: Outputs, epochs: int) -> None:
    """Fit heads to the network's backbone, which stays as it is, on the images of the phase: the
    new ones to their labels, those of `old` tasks to `targets`. No image of an old task is needed.

    Heads that no longer fit a merged encoder are what single-input multi-output merging fails by
    (SIMO, arXiv 2504.11268, which fits them anew to labels of all tasks). Optimiser and schedule
    are the recipe's.
    """
    network = copy.deepcopy(phase.network)
    network.recipe = network.recipe.model_copy(update={"epochs": epochs})
    network.freeze_backbone()
    alone = replace(phase, old_tasks=tuple(old), network=network)
    phase.train(alone, _HeadAlignment(targets), derive(network.seed, "realign", phase.number))
    phase.network.heads.load_state_dict(network.heads.state_dict())


def parameters_of(backbone: nn.Module) -> Tensors:
    """Copies of a backbone's parameters, by name."""
    return {name: parameter.detach().clone() for name, parameter in backbone.named_parameters()}


def initial_parameters(network: Network) -> Tensors:
    """Copies of the parameters that the network's backbone had before all training.

    The network itself is set back to them.
    """
    network.reset_backbone()
    return parameters_of(network.backbone)
