"""The method interface: what a method is given, and the hooks that the harness calls.

A method is one class in one file: a typed `Config`, and those of the hooks that it needs. The
harness owns the training loop, the data, the optimiser, devices, checkpoints and evaluation. The
hooks, in calling order:

    before_backbone_change(network)
                                  before a phase that replaces the backbone by another
    begin_phase(phase)            before the optimiser of a phase is made; again on a resume
    parameters()                  further parameters for the optimiser to train
    loss(step) -> terms           every step; the sum of the terms is minimised
    edit_update(step, before)     every step, after the optimiser's: may change its update
    end_phase(phase)              after the last epoch of a phase, in eval mode
    predict(network, images, tasks) -> raw outputs
                                  in evaluation, for all tasks learnt so far
    parameters_added(network), exemplars()
                                  what the method costs, for the record
    state_dict(), load_state_dict(state)
                                  at checkpoints and on a resume

Two identities hold for every lifelong method: with the settings in `zero` it reproduces finetune
bit for bit, and a resumed run equals the uninterrupted one bit for bit on CPU. Therefore everything
a method carries from one step or phase to another is part of its state, and `begin_phase` depends
on nothing but the state and the phase.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from benchmark.data.loading.blocks import Regime
from benchmark.data.loading.phase_data import Batch, PhaseData
from benchmark.model.network import Network
from benchmark.tasks import Task
from benchmark.tasks.losses import Kind, kind_of

Provenance = Literal["paper", "released code", "ours"]
Need = Literal["exemplars", "teacher", "task id"]
"""exemplars: keeps training images; teacher: runs an old network in training; task id: must
know which task an image is predicted for (beyond the choice of a head)."""
State = dict[str, Any]
"""Nested dicts of tensors and plain JSON values, keys are strings."""


class MethodConfig(BaseModel):
    """Base of a method's settings; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def setting(default: Any, description: str, source: Provenance, later: bool = False,
            **limits: Any) -> Any:
    """A field of a `MethodConfig`; `source` says where its default comes from, `later` whether
    the method had runs before it had this setting."""
    return Field(default, description=f"{description} [{source}]",
                 json_schema_extra={"source": source, "later": later}, **limits)


class TrainPhase(Protocol):
    """The harness's training loop."""

    def __call__(self, phase: Phase, method: Method, seed: int) -> None:
        """Train `phase.network` with a method that has begun the phase, for all epochs of
        `phase.network.recipe`."""


@dataclass(frozen=True)
class Phase:
    """One phase of a lifelong run, as a method sees it."""

    number: int
    """Counted from 1."""
    tasks: tuple[Task, ...]
    """The tasks learnt in this phase: one, except in bounds."""
    old_tasks: tuple[Task, ...]
    """The tasks of earlier phases, oldest first."""
    network: Network
    data: PhaseData
    train: TrainPhase
    """Trains another network within the phase, such as a teacher for its new task."""
    new_backbone: bool = False
    """Whether the network is a new one, of another architecture than in the phase before: fresh
    backbone, fresh heads for all tasks. What is known of old tasks is in the method's state."""

    @property
    def label(self) -> str:
        """The names of the phase's tasks, joined by '+'."""
        return "+".join(task.name for task in self.tasks)

    @property
    def fixed_images(self) -> bool:
        """Whether every epoch shows the same images, so that outputs on them can be cached."""
        return self.data.fixed


class Step:
    """One training step: its batch, and the network's features and outputs on it, each computed
    when first used."""

    def __init__(self, phase: Phase, batch: Batch) -> None:
        self.phase = phase
        self.batch = batch
        self.network = phase.network
        self._outputs: dict[str, Tensor] = {}

    @property
    def images(self) -> Tensor:
        """[B, 3, H, W] in [0, 1]."""
        return self.batch.images

    @cached_property
    def stages(self) -> list[Tensor]:
        """Backbone features after every stage, finest first."""
        return self.network.stages(self.images)

    @cached_property
    def features(self) -> Tensor:
        """Backbone features [B, C, h, w], shared by all heads."""
        return self.network.fuse_stages(self.stages, self.images.shape[-2:])

    def encode_jointly(self, images: Tensor) -> Tensor:
        """Features [b, C, h, w] of other images [b, 3, H', W'], such as exemplars.

        Called before any features of the step are used, images of the batch's size go through the
        backbone together with it, in one pass and one batch of batch norm. Otherwise they go in a
        pass of their own.
        """
        if images.shape[-2:] != self.images.shape[-2:] or "stages" in vars(self):
            return self.network.encode(images)
        batch = len(self.images)
        stages = self.network.stages(torch.cat([self.images, images]))
        self.stages = [stage[:batch] for stage in stages]
        return self.network.fuse_stages([stage[batch:] for stage in stages], images.shape[-2:])

    def output(self, task: Task) -> Tensor:
        """Raw output [B, channels, H, W] of a task at image size."""
        return self.outputs([task])[0]

    def outputs(self, tasks: Sequence[Task]) -> list[Tensor]:
        """Raw outputs of several tasks; asked for together, they cost less than one by one."""
        missing = [task.name for task in tasks if task.name not in self._outputs]
        if missing:
            for name, raw in self.network.decode_all(missing, self.features).items():
                self._outputs[name] = self.network.enlarge(raw, self.images.shape[-2:])
        return [self._outputs[task.name] for task in tasks]

    def new_losses(self) -> dict[str, Tensor]:
        """Supervised loss of each task of the phase, keyed `<task>/new`."""
        return {f"{task.name}/new": kind_of(task).loss(self.output(task),
                                                       self.batch.targets[task.name])
                for task in self.phase.tasks}


class Method:
    """Base of all methods. By itself it is finetune: the new task's loss and nothing else."""

    name: ClassVar[str]
    summary: ClassVar[str]
    family: ClassVar[str]
    reference: ClassVar[str] = ""
    """Paper and year."""
    stores: ClassVar[str] = "nothing"
    """What is carried from phase to phase, in words."""
    needs: ClassVar[tuple[Need, ...]] = ()
    """What an application must allow for the method to be used at all."""
    kind: ClassVar[Literal["lifelong", "bound"]] = "lifelong"
    zero: ClassVar[Mapping[str, Any]] = {}
    """Settings with which the method has no effect."""
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Settings that tuning tries, and their values."""
    Config: ClassVar[type[MethodConfig]] = MethodConfig

    def __init__(self, config: Any) -> None:
        self.config = config

    @property
    def active(self) -> bool:
        """Whether the settings give the method an effect: one at least differs from `zero`."""
        return not self.zero or any(getattr(self.config, name) != value
                                    for name, value in self.zero.items())

    @property
    def regime(self) -> Regime:
        """Which images and labels the phases hold; only bounds may ask for more than lifelong."""
        return "lifelong"

    def before_backbone_change(self, network: Network) -> None:
        """Keep what is needed of `network`, which the next phase replaces by one with another
        backbone, and drop what fits its parameters only. Called before `begin_phase`, and again on
        a resume."""

    def begin_phase(self, phase: Phase) -> None:
        """Prepare for a phase; called before its optimiser is made, and again on a resume."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """The method's own parameters, trained together with the network's."""
        return ()

    def loss(self, step: Step) -> dict[str, Tensor]:
        """Scalar terms, keyed `<task>/<term>` or `backbone/<term>`; their sum is minimised."""
        return step.new_losses()

    def edit_update(self, step: Step, before: Mapping[str, Tensor]) -> None:
        """Change the update that the optimiser has just applied to `step.network`; `before` holds
        the parameters before it.

        The update is edited, not the gradient: Adam undoes masks and projections of gradients.
        Called without gradients, and only for methods that define it.
        """

    def end_phase(self, phase: Phase) -> None:
        """Compute and keep what the next phase needs."""

    def predict(self, network: Network, images: Tensor,
                tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [B, channels, H, W] of `tasks`; the network is in eval mode."""
        return network.outputs(images, [task.name for task in tasks])

    def parameters_added(self, network: Network) -> int:
        """Number of parameters that prediction needs beyond one backbone and a head per task."""
        return 0

    def exemplars(self) -> tuple[int, int]:
        """Number and bytes of the training images, labels and outputs that are kept."""
        return 0, 0

    def state_dict(self) -> State:
        """Everything carried from one step or phase to another."""
        return {}

    def load_state_dict(self, state: State) -> None:
        """Restore what `state_dict` returned."""

    @classmethod
    def edits_updates(cls) -> bool:
        """Whether the harness must keep the parameters from before each step."""
        return cls.edit_update is not Method.edit_update


class JointMethod(Method):
    """Base of bounds that learn all tasks in a single phase.

    The configuration has `labels`: with `own`, an image has the label of its block's task only;
    with `all`, every image has the labels of all tasks.
    """

    kind = "bound"

    @property
    def regime(self) -> Regime:
        return "joint" if self.config.labels == "own" else "multitask"


def phase_batches(phase: Phase, size: int) -> Iterator[Step]:
    """Steps over the phase's images, each once, in order and not augmented, `size` at a time."""
    for batch in phase.data.plain(size):
        yield Step(phase, batch)


def kinds(tasks: Iterable[Task]) -> list[tuple[Task, Kind]]:
    """Tasks with their kinds."""
    return [(task, kind_of(task)) for task in tasks]
