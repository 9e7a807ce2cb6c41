"""The frozen teacher: the network as it was after a phase, shared by all distillation methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.method import Phase, State, Step, phase_batches
from benchmark.model.network import Network, upsample
from benchmark.model.snapshot import Snapshot
from benchmark.tasks import Task

STAGES_BYTES = 2**28
"""Most bytes of backbone features that are cached: 265 images of NYUv2 would take 4 GB with
ResNet-18, while another forward pass without gradient is a small part of a step."""


class Teacher:
    """One encoder pass for all old heads; none at all once a phase's outputs are cached.

    Where the images of a phase are the same in every epoch, the outputs at feature resolution are
    computed once, when first asked for, and enlarged in each step just as live ones are. So are
    the backbone's stages, for methods that ask for them, if all fit in `STAGES_BYTES`; otherwise
    they are computed in each step.
    """

    def __init__(self, past: Snapshot | None = None) -> None:
        self._past = past or Snapshot()
        self._network: Network | None = None
        self._cache: dict[str, Tensor] = {}
        self._stages: list[Tensor] = []
        self._seen: tuple[Tensor, list[Tensor]] | None = None

    def __bool__(self) -> bool:
        return bool(self._past)

    def capture(self, network: Network) -> None:
        """Remember the network as it is now (at the end of a phase)."""
        self._past.take(network)

    def begin_phase(self, phase: Phase, cached: bool = True, stages: bool = False,
                    tasks: Sequence[Task] | None = None) -> None:
        """Make the remembered network ready to answer for `tasks` (by default the old ones) in
        this phase, with `stages` for its features too."""
        self._cache, self._stages, self._network, self._seen = {}, [], None, None
        if not self._past:
            return
        self._network = self._past.build(phase.network)
        if cached and phase.fixed_images:
            self._fill_cache(phase, phase.old_tasks if tasks is None else tasks, stages)

    @property
    def channels(self) -> int:
        """Of its features."""
        return self._ready().backbone.channels

    def _ready(self) -> Network:
        assert self._network is not None
        return self._network

    @torch.no_grad()
    def _fill_cache(self, phase: Phase, tasks: Sequence[Task], stages: bool) -> None:
        parts: dict[str, list[Tensor]] = {task.name: [] for task in tasks}
        kept: list[list[Tensor]] = []
        for step in phase_batches(phase, size=phase.network.recipe.batch):
            found = self.stages(step)
            for name, low in self._decoded(step, list(parts)).items():
                parts[name].append(low)
            stages = stages and _fit(found, len(phase.data))
            if stages:
                kept.append(found)
        self._cache = {name: torch.cat(lows) for name, lows in parts.items()}
        if stages:
            self._stages = [torch.cat(stage) for stage in zip(*kept, strict=True)]

    def _decoded(self, step: Step, names: Sequence[str]) -> dict[str, Tensor]:
        features = self.features(step)
        return {name: self._ready().decode(name, features) for name in names}

    @torch.no_grad()
    def stages(self, step: Step) -> list[Tensor]:
        """Backbone features of the step's images after every stage, without gradient."""
        if self._stages:
            return [stage[step.batch.positions] for stage in self._stages]
        if self._seen is None or self._seen[0] is not step.images:
            self._seen = step.images, self._ready().stages(step.images)
        return self._seen[1]

    @torch.no_grad()
    def features(self, step: Step) -> Tensor:
        """Backbone features [B, C, h, w] of the step's images, without gradient."""
        return self._ready().fuse_stages(self.stages(step), step.images.shape[-2:])

    @torch.no_grad()
    def coarse(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [B, channels, h, w] of `tasks` at feature resolution, without gradient."""
        if self._cache:
            return {task.name: self._cache[task.name][step.batch.positions] for task in tasks}
        return self._decoded(step, [task.name for task in tasks])

    @torch.no_grad()
    def outputs(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [B, channels, H, W] of `tasks` on the step's images, without gradient."""
        return {name: upsample(raw, step.images.shape[-2:])
                for name, raw in self.coarse(step, tasks).items()}

    @torch.no_grad()
    def outputs_on(self, images: Tensor, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [n, channels, H, W] of `tasks` on any images [n, 3, H, W] in [0, 1]."""
        return self._ready().outputs(images, [task.name for task in tasks])

    def state_dict(self) -> State:
        return self._past.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._past.load_state_dict(state)


def _fit(stages: Sequence[Tensor], images: int) -> bool:
    """Whether stages like these of so many images may be kept."""
    each = sum(stage[0].numel() * stage.element_size() for stage in stages)
    return each * images <= STAGES_BYTES
