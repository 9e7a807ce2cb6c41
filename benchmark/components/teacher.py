"""The frozen teacher of distillation methods: the network as it was at the end of a phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.method import Phase, State, Step, phase_batches
from benchmark.model.network import Network
from benchmark.model.snapshot import Snapshot
from benchmark.tasks import Task

STAGES_BYTES = 2**28
"""Most bytes of backbone features that are cached: 265 images of NYUv2 would take 4 GB with
ResNet-18, while another forward pass without gradient is a small part of a step."""


class Teacher:
    """Outputs and features of a captured network on the images of a phase; false while empty.

    One backbone pass serves all heads and features of a step. Where the images of a phase are the
    same in every epoch, the outputs at feature resolution are computed once, at the beginning of
    the phase, and enlarged in each step just as live ones are. So are the backbone's stages, for
    methods that use them, if all fit in `STAGES_BYTES`; otherwise they are computed in each step.
    """

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._snapshot = snapshot or Snapshot()
        self._network: Network | None = None
        self._cached_outputs: dict[str, Tensor] = {}
        self._cached_stages: list[Tensor] = []
        self._latest: tuple[Tensor, list[Tensor]] | None = None
        """Images of the latest step and the stages computed for them."""

    def __bool__(self) -> bool:
        return bool(self._snapshot)

    def capture(self, network: Network) -> None:
        """Take over the network's current state (at the end of a phase)."""
        self._snapshot.capture(network)

    def begin_phase(self, phase: Phase, cached: bool = True, stages: bool = False,
                    tasks: Sequence[Task] | None = None) -> None:
        """Build the captured network and, where possible, cache its outputs of `tasks` (by default
        the old ones); with `stages`, its features too."""
        self._cached_outputs, self._cached_stages = {}, []
        self._network = self._latest = None
        if not self._snapshot:
            return
        self._network = self._snapshot.build(phase.network)
        if cached and phase.fixed_images:
            self._fill_cache(phase, phase.old_tasks if tasks is None else tasks, stages)

    @property
    def channels(self) -> int:
        """Number of channels of its features."""
        return self._built().backbone.channels

    def _built(self) -> Network:
        assert self._network is not None
        return self._network

    @torch.no_grad()
    def _fill_cache(self, phase: Phase, tasks: Sequence[Task], stages: bool) -> None:
        outputs: dict[str, list[Tensor]] = {task.name: [] for task in tasks}
        features: list[list[Tensor]] = []
        for step in phase_batches(phase, size=phase.network.recipe.batch):
            computed = self.stages(step)
            for name, raw in self._decode(step, list(outputs)).items():
                outputs[name].append(raw)
            stages = stages and _fit(computed, len(phase.data))
            if stages:
                features.append(computed)
        self._cached_outputs = {name: torch.cat(raws) for name, raws in outputs.items()}
        if stages:
            self._cached_stages = [torch.cat(stage) for stage in zip(*features, strict=True)]

    def _decode(self, step: Step, names: Sequence[str]) -> dict[str, Tensor]:
        features = self.features(step)
        return self._built().decode_all(names, features)

    @torch.no_grad()
    def stages(self, step: Step) -> list[Tensor]:
        """Backbone features of the step's images after every stage, without gradient."""
        if self._cached_stages:
            return [stage[step.batch.positions] for stage in self._cached_stages]
        if self._latest is None or self._latest[0] is not step.images:
            self._latest = step.images, self._built().stages(step.images)
        return self._latest[1]

    @torch.no_grad()
    def features(self, step: Step) -> Tensor:
        """Backbone features [B, C, h, w] of the step's images, without gradient."""
        return self._built().fuse_stages(self.stages(step), step.images.shape[-2:])

    @torch.no_grad()
    def coarse_outputs(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [B, channels, h, w] of `tasks` at feature resolution, without gradient."""
        if self._cached_outputs:
            return {task.name: self._cached_outputs[task.name][step.batch.positions]
                    for task in tasks}
        return self._decode(step, [task.name for task in tasks])

    @torch.no_grad()
    def outputs(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [B, channels, H, W] of `tasks` on the step's images, without gradient."""
        return {name: step.network.enlarge(raw, step.images.shape[-2:])
                for name, raw in self.coarse_outputs(step, tasks).items()}

    @torch.no_grad()
    def outputs_on(self, images: Tensor, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [n, channels, H, W] of `tasks` on any images [n, 3, H, W] in [0, 1]."""
        return self._built().outputs(images, [task.name for task in tasks])

    def state_dict(self) -> State:
        """Everything, as tensors and JSON values."""
        return self._snapshot.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._snapshot.load_state_dict(state)


def _fit(stages: Sequence[Tensor], images: int) -> bool:
    """Whether stages like these of so many images fit in `STAGES_BYTES`."""
    each = sum(stage[0].numel() * stage.element_size() for stage in stages)
    return each * images <= STAGES_BYTES
