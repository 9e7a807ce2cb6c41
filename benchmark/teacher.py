"""The frozen teacher: the network as it was after a phase, shared by all distillation methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.method import Phase, State, Step, own_images
from benchmark.model.network import Network, upsample
from benchmark.snapshot import Snapshot
from benchmark.tasks import Task


class Teacher:
    """One encoder pass for all old heads; none at all once a phase's outputs are cached.

    Where the images of a phase are the same in every epoch, the outputs at feature resolution are
    computed once, when first asked for, and enlarged in each step just as live ones are.
    """

    def __init__(self) -> None:
        self._past = Snapshot()
        self._network: Network | None = None
        self._cache: dict[str, Tensor] = {}

    def __bool__(self) -> bool:
        return bool(self._past)

    def learn(self, network: Network) -> None:
        """Remember the network as it is now (at the end of a phase)."""
        self._past.take(network)

    def begin_phase(self, phase: Phase, cached: bool = True) -> None:
        """Make the remembered network ready to answer in this phase."""
        self._cache, self._network = {}, None
        if not self._past:
            return
        self._network = self._past.build(phase.network)
        if cached and phase.fixed_images:
            self._fill_cache(phase)

    @torch.no_grad()
    def _fill_cache(self, phase: Phase) -> None:
        names = [task.name for task in phase.old_tasks]
        parts: dict[str, list[Tensor]] = {name: [] for name in names}
        for step in own_images(phase, size=phase.network.recipe.batch):
            for name, low in self._low(step.images, names).items():
                parts[name].append(low)
        self._cache = {name: torch.cat(lows) for name, lows in parts.items()}

    def _low(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        assert self._network is not None
        features = self._network.encode(images)
        return {name: self._network.decode(name, features) for name in names}

    @torch.no_grad()
    def outputs(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [B, channels, H, W] of `tasks` on the step's images, without gradient."""
        if self._cache:
            low = {task.name: self._cache[task.name][step.batch.positions] for task in tasks}
        else:
            low = self._low(step.images, [task.name for task in tasks])
        return {name: upsample(raw, step.images.shape[-2:]) for name, raw in low.items()}

    def state_dict(self) -> State:
        return self._past.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._past.load_state_dict(state)
