"""Teachers trained for the occasion, and images of a phase whose labels nobody learns from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from benchmark.data.loading.phase_data import Batch
from benchmark.engine.environment import make_fabric
from benchmark.engine.trainer import PhaseTrainer
from benchmark.method import Method, MethodConfig, Phase, Step, kinds
from benchmark.model.network import Network
from benchmark.model.snapshot import Snapshot
from benchmark.seeds import derive
from benchmark.tasks import Task

MOST_HELD_OUT = 128
"""Images are scored once an epoch: more would say little more, and are kept in memory."""


class HeldOutImages:
    """The last `share` of a phase's images (at least one, at most `MOST_HELD_OUT`, never all).

    They are seen in training, but as images without labels. A bound's phase has the blocks of T
    tasks one after the other: there, the last images of each T-th.
    """

    def __init__(self, phase: Phase, share: float) -> None:
        stretches = len(phase.tasks)
        length = len(phase.data) // stretches
        held = min(math.ceil(share * length), max(MOST_HELD_OUT // stretches, 1), length - 1)
        self.mask = (torch.arange(len(phase.data)) % length >= length - held).to(
            phase.network.mean.device)
        """Bool [N], by position"""

    def labels(self, batch: Batch, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """The batch's targets, invalid for held-out images."""
        held, hidden = self.mask[batch.positions], {}
        for task, kind in kinds(tasks):
            target = batch.targets[task.name]
            rows = held.view(-1, *[1] * (target.dim() - 1))
            hidden[task.name] = target.masked_fill(rows, kind.invalid)
        return hidden

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Supervised loss of each task of the phase, keyed `<task>/new`, held-out labels unused."""
        labels = self.labels(step.batch, step.phase.tasks)
        return {f"{task.name}/new": kind.loss(step.output(task), labels[task.name])
                for task, kind in kinds(step.phase.tasks)}

    def batches(self, phase: Phase) -> list[Batch]:
        """The held-out images as they are, with their labels."""
        found = []
        for batch in phase.data.plain(phase.network.recipe.batch):
            rows = self.mask[batch.positions]
            if rows.any():
                found.append(Batch(batch.images[rows], batch.positions[rows],
                                   {name: each[rows] for name, each in batch.targets.items()}))
        return found


_fabric = cache(make_fabric)  # which says each time that it is there


class _Plain(Method):
    """Supervised losses and nothing else."""

    def __init__(self, held_out: HeldOutImages | None) -> None:
        super().__init__(MethodConfig())
        self._held_out = held_out

    def loss(self, step: Step) -> dict[str, Tensor]:
        return self._held_out.losses(step) if self._held_out else super().loss(step)


def train_teacher(phase: Phase, tasks: Sequence[Task], epochs: int,
                  held_out: HeldOutImages | None = None, backbone: str = "") -> Snapshot:
    """A fresh network that has learnt `tasks` on the images of a phase, by the phase's own recipe.

    It depends on the phase and the run's seed alone, so that it is the same again on a resume
    (bit for bit on CPU); it counts its encoder passes with the phase's network.
    """
    live = phase.network
    recipe = live.recipe.model_copy(
        update={"epochs": epochs, "backbone": backbone or live.recipe.backbone})
    seed = derive(live.seed, "tutor", phase.number, *(task.name for task in tasks))
    network = Network(recipe, seed).to(live.mean.device)
    network.passes = live.passes
    for task in tasks:
        network.add_head(task)
    alone = Phase(phase.number, tuple(tasks), (), network, phase.data)
    trainer = PhaseTrainer(alone, _Plain(held_out), recipe, seed,
                           _fabric(live.mean.device.type, recipe.precision))
    while not trainer.finished:
        trainer.train_epoch()
    found = Snapshot()
    found.take(network)
    return found
