"""Replay: exemplars of old tasks, stored in a buffer, in the loss of every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from benchmark.components.buffer import IMAGE, OUTPUT, TARGET, Buffer, Exemplars, Sample, compact
from benchmark.method import (
    Method,
    MethodConfig,
    Need,
    Phase,
    State,
    Step,
    kinds,
    phase_batches,
    setting,
)
from benchmark.seeds import derive
from benchmark.tasks.losses import kind_of

MIB = 2**20


class ReplayConfig(MethodConfig):
    """Settings of every replay method."""

    budget_mib: float = setting(2.0, "most MiB that exemplars may take, labels and outputs "
                                "included", "ours", ge=0)
    replay_batch: int = setting(8, "exemplars sampled for each step", "released code", ge=1)


class Replay(Method):
    """Keeps exemplars of old tasks and adds the losses of a few of them to each step.

    At the end of a phase each of its images is added to the buffer once, not augmented (the papers
    add them while training), unless it has no valid pixel. Exemplars are sampled uniformly and not
    augmented; each goes through the head of its own task. HAD's released code has a reservoir of 50
    images and samples 8.
    """

    family = "replay"
    stores = "exemplars: images, labels"
    needs: ClassVar[tuple[Need, ...]] = ("exemplars",)
    zero = {"beta": 0.0}
    sample_parts: ClassVar[tuple[str, ...]] = (IMAGE, TARGET)
    """What an exemplar consists of."""
    quotas: ClassVar[bool] = False
    """Whether all tasks have equal shares of the budget."""
    Config = ReplayConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.buffer = Buffer(int(config.budget_mib * MIB), self.quotas)

    # -- filling the buffer --------------------------------------------------------------------

    def keys(self, phase: Phase) -> Tensor:
        """The key in the buffer of each image of the phase, [N] in [0, 1]; 1: not kept."""
        seed = derive(phase.network.seed, "exemplars", phase.number)
        return torch.rand(len(phase.data), generator=torch.Generator().manual_seed(seed),
                          dtype=torch.float64)

    @torch.no_grad()
    def end_phase(self, phase: Phase) -> None:
        if self.active and self.buffer.budget:
            keys: list[float] = self.keys(phase).tolist()
            for step in phase_batches(phase, phase.network.recipe.batch):
                self._add(step, [keys[position] for position in step.batch.positions.tolist()])

    def _add(self, step: Step, keys: Sequence[float]) -> None:
        for task, kind in kinds(step.phase.tasks):
            targets = step.batch.targets[task.name]
            valid = kind.valid(targets).flatten(1).any(1).tolist()
            rows = [row for row, key in enumerate(keys) if valid[row] and self.buffer.accepts(key)]
            if rows:
                images = step.images[rows]
                parts = {IMAGE: (images * 255).round().to(torch.uint8)}
                if TARGET in self.sample_parts:
                    parts[TARGET] = compact(targets[rows])
                if OUTPUT in self.sample_parts:
                    features = step.network.encode(images)
                    parts[OUTPUT] = compact(step.network.decode(task.name, features))
                for index, row in enumerate(rows):
                    self.buffer.add(task.name, Sample(keys[row], {
                        name: values[index].clone() for name, values in parts.items()}))

    # -- replaying -----------------------------------------------------------------------------

    def sample(self) -> list[Exemplars]:
        """Exemplars for a step, grouped by task; none, without using the random generator, if
        inactive."""
        if not self.active or not len(self.buffer):
            return []
        return self.buffer.sample(self.config.replay_batch)

    def outputs(self, step: Step, groups: Sequence[Exemplars],
                features: Tensor | None = None) -> list[Tensor]:
        """Raw outputs [n, C, h, w] of each group by its own head, at feature resolution.

        `features` are those of all groups' images, concatenated; without them, the images go
        through the backbone with the batch (see `Step.encode_jointly`).
        """
        if not groups:
            return []
        if features is None:
            features = step.encode_jointly(torch.cat([group.images for group in groups]))
        parts = features.split([len(group) for group in groups])
        return [decode_exemplars(step, group.task, part)
                for group, part in zip(groups, parts, strict=True)]

    def supervised_losses(self, step: Step, groups: Sequence[Exemplars],
                          raws: Sequence[Tensor]) -> dict[str, Tensor]:
        """By task: the supervised loss of its exemplars, from raw outputs [n, C, h, w]."""
        network = step.network
        return {group.task: kind_of(network.tasks[group.task]).loss(
                    network.enlarge(raw, group.size), group.targets)
                for group, raw in zip(groups, raws, strict=True)}

    def terms(self, step: Step, name: str, weight: float,
              losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`weight` times the mean of the losses over tasks, split into a term `<task>/<name>` of
        each old task: the same terms in every step, 0 for a task without exemplars in it."""
        if not losses:
            return {}
        zero = step.images.new_zeros(())
        return {f"{task.name}/{name}": weight / len(losses) * losses.get(task.name, zero)
                for task in step.phase.old_tasks}

    # -- state ---------------------------------------------------------------------------------

    def exemplars(self) -> tuple[int, int]:
        return len(self.buffer), self.buffer.bytes

    def state_dict(self) -> State:
        return {"buffer": self.buffer.state_dict()}

    def load_state_dict(self, state: State) -> None:
        self.buffer.load_state_dict(state["buffer"])


class OutputReplay(Replay):
    """Replay of the network's outputs at the end of a task's phase (Buzzega et al. 2020)."""

    stores = "exemplars: images, outputs before they are enlarged"
    sample_parts: ClassVar[tuple[str, ...]] = (IMAGE, OUTPUT)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._variance: dict[str, Tensor] = {}
        """Of all stored outputs of each old task."""

    def begin_phase(self, phase: Phase) -> None:
        self._variance = {}
        for task, samples in self.buffer.samples.items():
            if samples:
                variance = self.buffer.all_of(task).outputs.var(unbiased=False)
                self._variance[task] = torch.where(variance > 0, variance, 1)

    def output_losses(self, groups: Sequence[Exemplars],
                      raws: Sequence[Tensor]) -> dict[str, Tensor]:
        """By task: the mean squared difference of raw outputs [n, C, h, w] to the stored ones,
        divided by the variance of all stored outputs of the task."""
        return {group.task: (raw.float() - group.outputs).square().mean()
                / self._variance[group.task]
                for group, raw in zip(groups, raws, strict=True)}


def decode_exemplars(step: Step, task: str, features: Tensor) -> Tensor:
    """Raw output [n, C, h, w] of an old task's head on features of a few exemplars.

    In eval mode: a group may be a single image, too few for batch norm, and the head's running
    statistics are its own phase's. On a new backbone it has none yet and collects them here.
    """
    head = step.network.heads[task]
    head.train(step.phase.new_backbone and len(features) > 1)
    raw = step.network.decode(task, features)
    head.train()
    return raw
