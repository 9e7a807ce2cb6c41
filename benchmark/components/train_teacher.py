"""Teachers trained within a phase, and held-out images on which they and the student are scored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from benchmark.data.loading.phase_data import Batch
from benchmark.method import Method, MethodConfig, Phase, Step, kinds
from benchmark.model.network import Network
from benchmark.model.snapshot import Snapshot
from benchmark.seeds import derive
from benchmark.tasks import Task

MOST_HELD_OUT = 128
"""They are kept in memory and scored once an epoch; more would hardly sharpen a score."""


class HeldOutImages:
    """The last `share` of a phase's images (at least one, at most `MOST_HELD_OUT`, never all).

    They are trained on, but without their labels. The phase of a bound has the blocks of T tasks
    one after another: there, the last images of each block are held out.
    """

    def __init__(self, phase: Phase, share: float) -> None:
        blocks = len(phase.tasks)
        length = len(phase.data) // blocks
        count = min(math.ceil(share * length), max(MOST_HELD_OUT // blocks, 1), length - 1)
        self.mask = (torch.arange(len(phase.data)) % length >= length - count).to(
            phase.network.mean.device)
        """Bool [N], by position in the phase."""

    def labels(self, batch: Batch, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """The batch's targets by task, invalid for held-out images."""
        held_out, labels = self.mask[batch.positions], {}
        for task, kind in kinds(tasks):
            target = batch.targets[task.name]
            rows = held_out.view(-1, *[1] * (target.dim() - 1))
            labels[task.name] = target.masked_fill(rows, kind.invalid)
        return labels

    def losses(self, step: Step) -> dict[str, Tensor]:
        """Supervised loss of each task of the phase without held-out labels, keyed `<task>/new`."""
        labels = self.labels(step.batch, step.phase.tasks)
        return {f"{task.name}/new": kind.loss(step.output(task), labels[task.name])
                for task, kind in kinds(step.phase.tasks)}

    def batches(self, phase: Phase) -> list[Batch]:
        """The held-out images, not augmented, with their labels."""
        batches = []
        for batch in phase.data.plain(phase.network.recipe.batch):
            rows = self.mask[batch.positions]
            if rows.any():
                batches.append(Batch(batch.images[rows], batch.positions[rows],
                                     {name: each[rows] for name, each in batch.targets.items()}))
        return batches


class _Supervised(Method):
    """Minimises the supervised losses, without the labels of held-out images."""

    def __init__(self, held_out: HeldOutImages | None) -> None:
        super().__init__(MethodConfig())
        self._held_out = held_out

    def loss(self, step: Step) -> dict[str, Tensor]:
        return self._held_out.losses(step) if self._held_out else super().loss(step)


def train_teacher(phase: Phase, tasks: Sequence[Task], epochs: int,
                  held_out: HeldOutImages | None = None, backbone: str = "") -> Snapshot:
    """A new network, trained to solve `tasks` on the images of a phase by the phase's own recipe.

    `epochs` and `backbone` (by default the phase's) replace those of the recipe. The result depends
    on the phase and the run's seed alone, so that it is the same on a resume (bit for bit on CPU).
    Its passes count as those of the phase's network.
    """
    student = phase.network
    recipe = student.recipe.model_copy(
        update={"epochs": epochs, "backbone": backbone or student.recipe.backbone})
    seed = derive(student.seed, "tutor", phase.number, *(task.name for task in tasks))
    network = Network(recipe, seed).to(student.mean.device)
    network.passes = student.passes
    for task in tasks:
        network.add_head(task)
    alone = replace(phase, tasks=tuple(tasks), old_tasks=(), network=network, new_backbone=False)
    phase.train(alone, _Supervised(held_out), seed)
    teacher = Snapshot()
    teacher.capture(network)
    return teacher
