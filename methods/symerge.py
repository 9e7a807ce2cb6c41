"""SyMerge: merging with coefficients and a layer fitted to the experts' outputs (2026)."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from benchmark.components.isolation import Tensors
from benchmark.components.merging import (
    ExpertMerging,
    MergingConfig,
    Outputs,
    initial_parameters,
)
from benchmark.method import Method, MethodConfig, Phase, Step, kinds, setting
from benchmark.seeds import derive
from benchmark.tasks import Task


class SyMerge(ExpertMerging):
    """theta_l = theta_{0,l} + sum_k c_{k,l} (theta_{k,l} - theta_{0,l}), c fitted without labels.

    theta_k are the networks of `separate`, which the bound keeps. The coefficients, one for each
    task and parameter tensor l, start at `start` and stay in [0, 1]; with the last layer of every
    head they minimise the distance of each task's output to the pseudo-label of its own expert.

    The paper's code for dense tasks is not released. Ours: the images are those of the phase; the
    distance is the task kind's, each task's divided by its value in the first step; heads' and the
    backbone's batch norm sees the images that are fitted to, and the merged backbone's running
    statistics are computed anew on them; theta_0 are the initial weights, pretrained in the paper.
    """

    class Config(MergingConfig):
        start: float = setting(0.3, "coefficients at first", "paper", ge=0, le=1)
        epochs: int = setting(5, "epochs over the phase's images in which they are fitted", "ours",
                              ge=1)
        lr: float = setting(0.01, "learning rate of Adam", "paper", gt=0)

    name = "symerge"
    summary = "merges one network per task with coefficients fitted to their outputs"
    reference = "SyMerge, arXiv 2412.19098, ICML 2026"

    def merge(self, phase: Phase, trained: Tensors) -> Tensors:
        self.add_experts(phase)
        initial = initial_parameters(phase.network)
        tasks = [task for task in (*phase.old_tasks, *phase.tasks) if task.name in self.experts]
        fit = _Fit(initial, self.task_vectors(initial), tasks, self.expert_outputs(phase, tasks),
                   self.config.start)
        network = copy.deepcopy(phase.network).requires_grad_(False)
        network.recipe = network.recipe.model_copy(update={
            "epochs": self.config.epochs, "lr": self.config.lr, "optimizer": "adam",
            "weight_decay": 0.0, "schedule": "constant"})
        for task in tasks:
            last_layer(network.heads[task.name]).requires_grad_(True)
        phase.train(replace(phase, network=network), fit,
                    derive(network.seed, self.name, phase.number))
        phase.network.heads.load_state_dict(network.heads.state_dict())
        with torch.no_grad():
            return fit.merged()


class _Fit(Method):
    """Minimises the distances of the merged network's outputs to pseudo-labels of the experts."""

    def __init__(self, initial: Tensors, vectors: Sequence[Tensors], tasks: Sequence[Task],
                 targets: Outputs, start: float) -> None:
        super().__init__(MethodConfig())
        self._initial, self._vectors = initial, vectors
        self._tasks, self._targets = tasks, targets
        device = next(iter(initial.values())).device
        self._coefficients = nn.Parameter(
            torch.full((len(vectors), len(initial)), start, device=device))
        self._first: dict[str, Tensor] = {}
        """Each task's distance in the first step."""

    def parameters(self) -> list[nn.Parameter]:
        return [self._coefficients]

    def merged(self) -> Tensors:
        """The parameters with the coefficients as they are."""
        shares = self._coefficients.clamp(0, 1)
        return {name: value + sum(share * vector[name] for share, vector
                                  in zip(shares[:, place], self._vectors, strict=True))
                for place, (name, value) in enumerate(self._initial.items())}

    def loss(self, step: Step) -> dict[str, Tensor]:
        step.features = step.network.encode(step.images, self.merged())
        targets, terms = self._targets(step), {}
        for task, kind in kinds(self._tasks):
            distance = kind.distance(step.output(task), targets[task.name], soft=False).mean()
            first = self._first.setdefault(task.name, distance.detach())
            terms[f"{task.name}/expert"] = distance / first.clamp(min=1e-6)
        return terms


def last_layer(head: nn.Module) -> nn.Module:
    """The last convolution of a head."""
    return [module for module in head.modules() if isinstance(module, nn.Conv2d)][-1]
