"""What methods share whose tasks have parts of the backbone to themselves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.method import Method, Need, Phase, State, Step, phase_batches
from benchmark.model.network import Network
from benchmark.model.snapshot import Snapshot
from benchmark.seeds import derive, isolated
from benchmark.tasks import Task

Tensors = dict[str, Tensor]
"""Tensors by their names in the backbone, or by names of a method's own."""
_BATCH_NORM = nn.modules.batchnorm._BatchNorm
_NORMS = (_BATCH_NORM, nn.LayerNorm, nn.GroupNorm)
_STATISTICS = ("running_mean", "running_var")
_BUFFERS = (*_STATISTICS, "num_batches_tracked")


class Home:
    """The tasks that were learnt on one backbone, and what they need beside it to predict."""

    def __init__(self) -> None:
        self.own: dict[str, Tensors] = {}
        """By task, in the order of learning."""
        self.common: Tensors = {}
        """Beside the backbone, for all of them."""
        self._past = Snapshot()
        self._network: Network | None = None

    def leave(self, network: Network) -> None:
        """Keep the network, with the heads of these tasks: it is about to be replaced.

        What a task has of its own is not kept twice: often the last one's is in the network.
        """
        self._past.take(network, self.own)
        held = network.backbone.state_dict()
        self.own = {task: {name: value for name, value in own.items()
                           if name not in held or not torch.equal(value, held[name])}
                    for task, own in self.own.items()}

    def network(self, live: Network) -> Network:
        """The network of these tasks: the live one until they left it."""
        if not self._past:
            return live
        if self._network is None:
            self._network = self._past.build(live)
        return self._network

    def state_dict(self) -> State:
        """Everything, as tensors and JSON values."""
        return {"own": {task: dict(own) for task, own in self.own.items()},
                "common": dict(self.common), "past": self._past.state_dict()}

    @classmethod
    def restored(cls, state: State) -> Home:
        """What `state_dict` was taken from."""
        home = cls()
        home.own = {task: dict(own) for task, own in state["own"].items()}
        home.common = dict(state["common"])
        home._past.load_state_dict(state["past"])
        return home


class Isolation(Method):
    """Every task predicts through backbone weights of its own, made of the shared backbone and of
    a part that the task keeps as it was at the end of its phase.

    When the backbone is replaced, its tasks keep the whole old network beside their parts. A
    subclass defines `part` (or an `end_phase` that fills `home`), and `weights` where a part is
    not a state of the backbone.
    """

    family = "isolation"
    needs: ClassVar[tuple[Need, ...]] = ("task id",)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.home = Home()
        self.left: list[Home] = []

    @property
    def active(self) -> bool:
        """Whether the settings leave the method any strength."""
        return True

    @abstractmethod
    def part(self, phase: Phase) -> Tensors:
        """What the task of the phase that ends keeps to itself."""

    def weights(self, network: Network, home: Home, task: str) -> Tensors:
        """The state of the backbone, or a part of one, that a task of `home` predicts through."""
        return home.own[task]

    def size(self, home: Home) -> int:
        """Parameters in what `home` keeps beside its backbone. Running statistics are none, here
        as in the count of the network itself."""
        return sum(value.numel() for own in home.own.values()
                   for name, value in own.items() if not name.endswith(_BUFFERS))

    def before_backbone_change(self, network: Network) -> None:
        if self.home.own:
            self.home.leave(network)
            self.left.append(self.home)
            self.home = Home()

    def end_phase(self, phase: Phase) -> None:
        if self.active:
            part = self.part(phase)
            self.home.own |= {task.name: part for task in phase.tasks}

    def predict(self, network: Network, images: Tensor,
                tasks: Sequence[Task]) -> dict[str, Tensor]:
        raws: dict[str, Tensor] = {}
        shared: list[str] = []
        for name in [task.name for task in tasks]:
            home = next((each for each in (*self.left, self.home) if name in each.own), None)
            if home is None:
                shared.append(name)
            else:
                its = home.network(network)
                raws |= its.outputs(images, [name], self.weights(its, home, name))
        return raws | network.outputs(images, shared) if shared else raws

    def parameters_added(self, network: Network) -> int:
        held = dict(network.backbone.named_parameters())
        replaced = set().union(*self.home.own.values()) & held.keys()
        added = self.size(self.home) - sum(held[name].numel() for name in replaced)
        for home in self.left:  # its tasks have a second, idle head in the live network
            idle = sum(_count(network.heads[name]) for name in home.own)
            added += self.size(home) + _count(home.network(network)) - idle
        return added

    def state_dict(self) -> State:
        return {"home": self.home.state_dict(), "left": [home.state_dict() for home in self.left]}

    def load_state_dict(self, state: State) -> None:
        self.home = Home.restored(state["home"])
        self.left = [Home.restored(each) for each in state["left"]]


class Adapters(Isolation):
    """The backbone is frozen; every task has adapters for its layers, and norms, of its own.

    Adapters start without effect. With `start=after_first` in its configuration, the first task
    on a backbone trains all of it, and the norms of later tasks start as that task's; with
    `start=first` the backbone stays as it was at the very first, and so do the norms' starts.
    A subclass defines `fresh` and `adapt`.
    """

    parts: ClassVar[tuple[str, ...]]
    """Names of the tensors that adapt a layer."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._adapters: dict[str, nn.Parameter] = {}

    @abstractmethod
    def fresh(self, layer: nn.Conv2d | nn.Linear) -> Tensors:
        """The first adapters of a layer, some of `parts`; none where it is not adapted."""

    @abstractmethod
    def adapt(self, layer: nn.Conv2d | nn.Linear, parts: Mapping[str, Tensor]) -> Tensors:
        """The layer's own parameters, adapted."""

    def begin_phase(self, phase: Phase) -> None:
        self._adapters = {}
        if not self.active or (self.config.start == "after_first" and not self.home.own):
            return
        network = phase.network
        if self.config.start == "after_first":
            first = next(iter(self.home.own.values()))
            network.backbone.load_state_dict(first, strict=False)
        else:
            network.restart()
        own = norms(network.backbone)
        for name, parameter in network.backbone.named_parameters():
            if name not in own:
                parameter.requires_grad_(False)
        with isolated(derive(network.seed, self.name, phase.label)):
            self._adapters = {f"{name}.{part}": nn.Parameter(value.to(layer.weight.device))
                              for name, layer in layers(network.backbone)
                              for part, value in self.fresh(layer).items()}

    def parameters(self) -> list[nn.Parameter]:
        return list(self._adapters.values())

    def loss(self, step: Step) -> dict[str, Tensor]:
        if self._adapters:
            adapted = self._adapted(step.network, self._adapters)
            step.features = step.network.encode(step.images, adapted)
        return step.new_losses()

    def part(self, phase: Phase) -> Tensors:
        return norms(phase.network.backbone) | {
            name: value.detach().clone() for name, value in self._adapters.items()}

    def weights(self, network: Network, home: Home, task: str) -> Tensors:
        own = home.own[task]
        normed = {name: value for name, value in own.items()
                  if name.rpartition(".")[2] not in self.parts}
        return normed | self._adapted(network, own)

    def _adapted(self, network: Network, adapters: Mapping[str, Tensor]) -> Tensors:
        found: Tensors = {}
        with torch.autocast(network.mean.device.type, enabled=False):
            for name, layer in layers(network.backbone):
                parts = {part: adapters[f"{name}.{part}"] for part in self.parts
                         if f"{name}.{part}" in adapters}
                if parts:
                    found |= {f"{name}.{key}": value
                              for key, value in self.adapt(layer, parts).items()}
        return found


def layers(backbone: nn.Module) -> list[tuple[str, nn.Conv2d | nn.Linear]]:
    """The backbone's convolutions and linear layers, by name."""
    return [(name, module) for name, module in backbone.named_modules()
            if isinstance(module, nn.Conv2d | nn.Linear)]


def norms(backbone: nn.Module) -> Tensors:
    """Copies of the scales, shifts and running statistics of all normalisation layers."""
    return {f"{name}.{key}": value.detach().clone() for name, module in backbone.named_modules()
            if isinstance(module, _NORMS) for key, value in module.state_dict().items()
            if key != "num_batches_tracked"}


def statistics(backbone: nn.Module) -> Tensors:
    """Copies of the running statistics of all batch norms."""
    return {name: value for name, value in norms(backbone).items() if name.endswith(_STATISTICS)}


@torch.no_grad()
def estimate(phase: Phase, weights: Mapping[str, Tensor]) -> Tensors:
    """Running statistics that the phase's own images give the backbone in the state `weights` (a
    part of one): means over batches weighted by their images, no labels. None where the recipe
    freezes statistics."""
    network = phase.network
    normalisers = [each for each in network.backbone.modules() if isinstance(each, _BATCH_NORM)]
    if network.statistics_frozen or not normalisers:
        return {}
    momenta = [each.momentum for each in normalisers]
    state = {name: value.clone() for name, value in network.backbone.named_buffers()
             if name.endswith(_BUFFERS)}
    seen = 0
    for each in normalisers:
        each.train()
    for step in phase_batches(phase, network.recipe.batch):
        seen += len(step.images)
        for each in normalisers:
            each.momentum = len(step.images) / seen
        network.encode(step.images, {**weights, **state})
    for each, momentum in zip(normalisers, momenta, strict=True):
        each.momentum = momentum
    network.train(network.training)
    return {name: value for name, value in state.items() if name.endswith(_STATISTICS)}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
