"""Parameter isolation: tasks that have parts of the backbone to themselves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.method import Method, Need, Phase, State, Step, phase_batches
from benchmark.model.network import Network
from benchmark.model.snapshot import Snapshot
from benchmark.seeds import derive, isolated
from benchmark.tasks import Task

Tensors = dict[str, Tensor]
"""Tensors by their names in the backbone, or by names of a method's own."""
_NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)
_STATISTICS = ("running_mean", "running_var")
_BUFFERS = (*_STATISTICS, "num_batches_tracked")


class SharedBackbone:
    """A backbone that several tasks share, and what they need for prediction besides it."""

    def __init__(self) -> None:
        self.parts: dict[str, Tensors] = {}
        """What each task has to itself, in the order of learning."""
        self.common: Tensors = {}
        """What all its tasks use besides the backbone."""
        self._snapshot = Snapshot()
        """The network with these tasks' heads, once it has been replaced."""
        self._network: Network | None = None

    def retire(self, network: Network) -> None:
        """Keep the network, with the heads of these tasks: it is about to be replaced.

        Parts that are equal to the network's state, as often the last task's, are not kept twice.
        """
        self._snapshot.capture(network, self.parts)
        state = network.backbone.state_dict()
        self.parts = {task: {name: value for name, value in part.items()
                             if name not in state or not torch.equal(value, state[name])}
                      for task, part in self.parts.items()}

    def network(self, live: Network) -> Network:
        """The network of these tasks: the live one unless retired."""
        if not self._snapshot:
            return live
        if self._network is None:
            self._network = self._snapshot.build(live)
        return self._network

    def state_dict(self) -> State:
        """Everything, as tensors and JSON values."""
        return {"own": {task: dict(part) for task, part in self.parts.items()},
                "common": dict(self.common), "past": self._snapshot.state_dict()}

    @classmethod
    def from_state(cls, state: State) -> SharedBackbone:
        """The object whose `state_dict` was `state`."""
        shared = cls()
        shared.parts = {task: dict(part) for task, part in state["own"].items()}
        shared.common = dict(state["common"])
        shared._snapshot.load_state_dict(state["past"])
        return shared


class Isolation(Method):
    """Every task predicts through backbone weights of its own, made of the shared backbone and of
    a part that the task keeps as it was at the end of its phase.

    When the backbone is replaced, its tasks keep the whole old network besides their parts. A
    subclass defines `part` (or an `end_phase` that fills `current`), and `weights` where a part is
    not a state of the backbone.
    """

    family = "isolation"
    needs: ClassVar[tuple[Need, ...]] = ("task id",)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.current = SharedBackbone()
        """The backbone that is being trained."""
        self.retired: list[SharedBackbone] = []
        """Backbones that were replaced, oldest first."""

    @abstractmethod
    def part(self, phase: Phase) -> Tensors:
        """What the task of the phase that ends keeps to itself."""

    def weights(self, network: Network, shared: SharedBackbone, task: str) -> Tensors:
        """The state of the backbone, or a part of one, that a task of `shared` predicts through."""
        return shared.parts[task]

    def size(self, shared: SharedBackbone) -> int:
        """Number of parameters that `shared` keeps besides its backbone. Running statistics are
        none, here as in the count of the network itself."""
        return sum(value.numel() for part in shared.parts.values()
                   for name, value in part.items() if not name.endswith(_BUFFERS))

    def before_backbone_change(self, network: Network) -> None:
        if self.current.parts:
            self.current.retire(network)
            self.retired.append(self.current)
            self.current = SharedBackbone()

    def end_phase(self, phase: Phase) -> None:
        if self.active:
            part = self.part(phase)
            self.current.parts |= {task.name: part for task in phase.tasks}

    def predict(self, network: Network, images: Tensor,
                tasks: Sequence[Task]) -> dict[str, Tensor]:
        raws: dict[str, Tensor] = {}
        without_part: list[str] = []
        for name in [task.name for task in tasks]:
            shared = next((each for each in (*self.retired, self.current) if name in each.parts),
                          None)
            if shared is None:
                without_part.append(name)
            else:
                own = shared.network(network)
                raws |= own.outputs(images, [name], self.weights(own, shared, name))
        return raws | network.outputs(images, without_part) if without_part else raws

    def parameters_added(self, network: Network) -> int:
        backbone = dict(network.backbone.named_parameters())
        replaced = set().union(*self.current.parts.values()) & backbone.keys()
        added = self.size(self.current) - sum(backbone[name].numel() for name in replaced)
        for shared in self.retired:  # its tasks have a second, unused head in the live network
            unused = sum(_count(network.heads[name]) for name in shared.parts)
            added += self.size(shared) + _count(shared.network(network)) - unused
        return added

    def state_dict(self) -> State:
        return {"home": self.current.state_dict(),
                "left": [shared.state_dict() for shared in self.retired]}

    def load_state_dict(self, state: State) -> None:
        self.current = SharedBackbone.from_state(state["home"])
        self.retired = [SharedBackbone.from_state(each) for each in state["left"]]


class Adapters(Isolation):
    """The backbone is frozen; every task has adapters for its layers, and norms, of its own.

    Adapters start without effect. With `start=after_first` in its configuration, the first task
    on a backbone trains all of it, and the norms of later tasks start as that task's; with
    `start=first` the backbone keeps its initial weights, and norms start from theirs.
    A subclass defines `new_adapters` and `adapt`.
    """

    adapter_names: ClassVar[tuple[str, ...]]
    """Names of the tensors that adapt a layer."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._adapters: dict[str, nn.Parameter] = {}

    @abstractmethod
    def new_adapters(self, layer: nn.Conv2d | nn.Linear) -> Tensors:
        """Initial adapters of a layer, some of `adapter_names`; none where it is not adapted."""

    @abstractmethod
    def adapt(self, layer: nn.Conv2d | nn.Linear, adapters: Mapping[str, Tensor]) -> Tensors:
        """The layer's own parameters, adapted."""

    def begin_phase(self, phase: Phase) -> None:
        self._adapters = {}
        if not self.active or (self.config.start == "after_first" and not self.current.parts):
            return
        network = phase.network
        if self.config.start == "after_first":
            first = next(iter(self.current.parts.values()))
            network.backbone.load_state_dict(first, strict=False)
        else:
            network.reset_backbone()
        norms = norm_states(network.backbone)
        for name, parameter in network.backbone.named_parameters():
            if name not in norms:
                parameter.requires_grad_(False)
        with isolated(derive(network.seed, self.name, phase.label)):
            self._adapters = {f"{name}.{adapter}": nn.Parameter(value.to(layer.weight.device))
                              for name, layer in layers(network.backbone)
                              for adapter, value in self.new_adapters(layer).items()}

    def parameters(self) -> list[nn.Parameter]:
        return list(self._adapters.values())

    def loss(self, step: Step) -> dict[str, Tensor]:
        if self._adapters:
            adapted = self._adapted(step.network, self._adapters)
            step.features = step.network.encode(step.images, adapted)
        return step.new_losses()

    def part(self, phase: Phase) -> Tensors:
        return norm_states(phase.network.backbone) | {
            name: value.detach().clone() for name, value in self._adapters.items()}

    def weights(self, network: Network, shared: SharedBackbone, task: str) -> Tensors:
        part = shared.parts[task]
        norms = {name: value for name, value in part.items()
                 if name.rpartition(".")[2] not in self.adapter_names}
        return norms | self._adapted(network, part)

    def _adapted(self, network: Network, adapters: Mapping[str, Tensor]) -> Tensors:
        """The parameters of all adapted layers, by their names in the backbone."""
        parameters: Tensors = {}
        with torch.autocast(network.mean.device.type, enabled=False):
            for name, layer in layers(network.backbone):
                own = {adapter: adapters[f"{name}.{adapter}"] for adapter in self.adapter_names
                       if f"{name}.{adapter}" in adapters}
                if own:
                    parameters |= {f"{name}.{key}": value
                                   for key, value in self.adapt(layer, own).items()}
        return parameters


def layers(backbone: nn.Module) -> list[tuple[str, nn.Conv2d | nn.Linear]]:
    """The backbone's convolutions and linear layers, by name."""
    return [(name, module) for name, module in backbone.named_modules()
            if isinstance(module, nn.Conv2d | nn.Linear)]


def norm_states(backbone: nn.Module) -> Tensors:
    """Copies of the scales, shifts and running statistics of all normalisation layers."""
    return {f"{name}.{key}": value.detach().clone() for name, module in backbone.named_modules()
            if isinstance(module, _NORMS) for key, value in module.state_dict().items()
            if key != "num_batches_tracked"}


def running_statistics(backbone: nn.Module) -> Tensors:
    """Copies of the running statistics of all batch norms."""
    return {name: value for name, value in norm_states(backbone).items()
            if name.endswith(_STATISTICS)}


@torch.no_grad()
def estimate_statistics(phase: Phase, weights: Mapping[str, Tensor]) -> Tensors:
    """Running statistics of the backbone in the state `weights` (or a part of one) on the phase's
    images, without labels: means over batches, weighted by their images. None where the recipe
    freezes statistics."""
    network = phase.network
    norms = [module for module in network.backbone.modules() if isinstance(module, _BatchNorm)]
    if network.statistics_frozen or not norms:
        return {}
    momenta = [norm.momentum for norm in norms]
    state = {name: value.clone() for name, value in network.backbone.named_buffers()
             if name.endswith(_BUFFERS)}
    images = 0
    for norm in norms:
        norm.train()
    for step in phase_batches(phase, network.recipe.batch):
        images += len(step.images)
        for norm in norms:
            norm.momentum = len(step.images) / images
        network.encode(step.images, {**weights, **state})
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(network.training)
    return {name: value for name, value in state.items() if name.endswith(_STATISTICS)}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
