"""SD-LoRA: directions and magnitudes of low-rank changes apart (Wu et al. 2025)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.components.isolation import Tensors
from benchmark.components.low_rank import (
    adapted_rows,
    matrix_shapes,
    product,
    use_changes,
    weights_with,
)
from benchmark.method import Method, MethodConfig, Phase, State, Step, setting
from benchmark.model.network import Network
from benchmark.seeds import derive, isolated
from benchmark.tasks import Task

ATTENTION = "qv"


class SDLoRA(Method):
    """W + sum_{i<t} s_i B_i A_i / (|B_i| |A_i|) + s_t B_t A_t: directions of old tasks are fixed.

    Trained are A_t, B_t and all magnitudes s_i, one number per layer and task; |.| is the Frobenius
    norm. The sum is the network of all tasks, old and new. A transformer is changed in the queries
    and values of its attention, any other backbone in all convolutions and linear layers, a
    convolution being the matrix [out, C k k] (of each group).

    Ours: the backbone is trained on the first task, frozen from then on with all else that it has
    (the paper takes pretrained weights and adapts to the first task too); A_t is initialised as a
    layer's weights are, B_t with zeros, s_t with 1; when a phase ends, s_t takes over the norms
    |B_t| |A_t|, so that the network stays the same. All are trained by the recipe's optimiser.
    """

    class Config(MethodConfig):
        rank: int = setting(10, "r; 0: no change of the backbone's training, plain finetuning",
                            "paper", ge=0)

    name = "sdlora"
    summary = "freezes the backbone after the first task; adds directions and rescales old ones"
    family = "adapters"
    reference = "Wu et al., SD-LoRA: Scalable Decoupled Low-Rank Adaptation for Class " \
                "Incremental Learning, ICLR 2025"
    stores = "a direction of low rank and a magnitude per changed layer, for every task"
    zero = {"rank": 0}
    grid = {"rank": [2, 5, 10, 20, 40]}

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._learnt_first = False
        """Whether the backbone has been trained on a task."""
        self._directions: list[dict[str, Tensors]] = []
        """Of each later task: B_i ("up") and A_i ("down") of norm one, s_i ("magnitude")."""
        self._trained: dict[str, dict[str, nn.Parameter]] = {}
        """A_t ("down"), B_t ("up") and, one after another, the s of all tasks ("magnitudes")."""
        self._rows: Tensors = {}

    def before_backbone_change(self, network: Network) -> None:
        self._learnt_first, self._directions = False, []

    def begin_phase(self, phase: Phase) -> None:
        self._trained = {}
        if not self._learnt_first:
            return
        network = phase.network
        network.freeze_backbone()
        rows = self._adapted_rows(network)
        shapes, device = matrix_shapes(network.backbone), network.mean.device
        with isolated(derive(network.seed, self.name, phase.number)):
            for name in rows:
                groups, outputs, inputs = shapes[name]
                down = torch.empty(groups, min(self.config.rank, inputs), inputs)
                nn.init.kaiming_uniform_(down.view(-1, inputs), a=math.sqrt(5))
                magnitudes = [float(each["magnitude"][name]) for each in self._directions]
                self._trained[name] = {
                    "down": nn.Parameter(down.to(device)),
                    "up": nn.Parameter(torch.zeros(groups, outputs, down.shape[1], device=device)),
                    "magnitudes": nn.Parameter(torch.tensor([*magnitudes, 1.0], device=device))}

    def parameters(self) -> list[nn.Parameter]:
        return [value for each in self._trained.values() for value in each.values()]

    def loss(self, step: Step) -> dict[str, Tensor]:
        if self._trained:
            use_changes(step, self._changes(step.network))
        return step.new_losses()

    @torch.no_grad()
    def end_phase(self, phase: Phase) -> None:
        if not self.active:
            return
        if self._trained:
            latest: dict[str, Tensors] = {"up": {}, "down": {}, "magnitude": {}}
            for name, new in self._trained.items():
                up, down = (torch.linalg.vector_norm(new[key]) for key in ("up", "down"))
                latest["up"][name] = new["up"] / up.clamp(min=torch.finfo(up.dtype).tiny)
                latest["down"][name] = new["down"] / down
                *old, own = new["magnitudes"].detach().clone()
                latest["magnitude"][name] = own * up * down
                for direction, magnitude in zip(self._directions, old, strict=True):
                    direction["magnitude"][name] = magnitude
            self._directions.append(latest)
            self._trained = {}
        self._learnt_first = True

    @torch.no_grad()
    def predict(self, network: Network, images: Tensor,
                tasks: Sequence[Task]) -> dict[str, Tensor]:
        weights = weights_with(network, self._changes(network))
        return network.outputs(images, [task.name for task in tasks], weights or None)

    def _adapted_rows(self, network: Network) -> Tensors:
        return adapted_rows(network.backbone, ATTENTION)

    def _changes(self, network: Network) -> Tensors:
        """The sum over all tasks, [out, inputs] by the weights' names; none without a change."""
        changes: Tensors = {}
        if self._trained or self._directions:
            for name, rows in self._adapted_rows(network).items():
                terms = [product(each["up"][name], each["down"][name], rows)
                         for each in self._directions]
                magnitudes = [each["magnitude"][name] for each in self._directions]
                if new := self._trained.get(name):
                    terms.append(product(new["up"], new["down"], rows))
                    magnitudes = list(new["magnitudes"])
                changes[name] = torch.stack([magnitude * term for magnitude, term
                                             in zip(magnitudes, terms, strict=True)]).sum(0)
        return changes

    def state_dict(self) -> State:
        return {"first": self._learnt_first,
                "directions": [{key: dict(value) for key, value in each.items()}
                               for each in self._directions]}

    def load_state_dict(self, state: State) -> None:
        self._learnt_first = state["first"]
        self._directions = [{key: dict(value) for key, value in each.items()}
                            for each in state["directions"]]
