"""The frozen teacher of distillation methods: the network as it was at the end of a phase."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from tempfile import NamedTemporaryFile
from typing import Any

import torch
from torch import Tensor

from benchmark.data.loading.array_loader import memory
from benchmark.method import Phase, State, Step, phase_batches
from benchmark.model.network import Network
from benchmark.model.snapshot import Snapshot
from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of

STAGES_BYTES = 2**28
"""Most bytes of backbone features that are cached: 265 images of NYUv2 would take 4 GB with
ResNet-18, while another forward pass without gradient is a small part of a step."""
OUTPUTS_SHARE = 0.1
"""Of the device's memory: what cached outputs may take there. Larger ones lie in a memory-mapped
temporary file, at full precision, since rounded ones would change the losses."""
LABELS_BYTES = 2**28
"""Most bytes of pseudo-labels that are cached, at a byte per pixel and task; 265 images of NYUv2
take 29 MB per task."""


class Teacher:
    """Outputs and features of a captured network on the images of a phase; false while empty.

    One backbone pass serves all heads and features of a step. Where the images of a phase are the
    same in every epoch, the outputs at feature resolution are computed once, at the beginning of
    the phase, and enlarged in each step just as live ones are. So are the backbone's stages, for
    methods that use them, if all fit in `STAGES_BYTES`, and pseudo-labels that are classes, if
    they fit in `LABELS_BYTES`; otherwise they are computed in each step.
    """

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._snapshot = snapshot or Snapshot()
        self._network: Network | None = None
        self._cached_outputs: dict[str, Tensor] = {}
        self._cached_stages: list[Tensor] = []
        self._cached_labels: dict[str, Tensor] = {}
        self._latest: tuple[Tensor, list[Tensor]] | None = None
        """Images of the latest step and the stages computed for them."""

    def __bool__(self) -> bool:
        return bool(self._snapshot)

    def capture(self, network: Network) -> None:
        """Take over the network's current state (at the end of a phase)."""
        self._snapshot.capture(network)

    def begin_phase(self, phase: Phase, cached: bool = True, stages: bool = False,
                    labels: bool = False, tasks: Sequence[Task] | None = None) -> None:
        """Build the captured network and, where possible, cache its outputs of `tasks` (by default
        the old ones); with `stages` its features, with `labels` its pseudo-labels too."""
        self._cached_outputs, self._cached_stages, self._cached_labels = {}, [], {}
        self._network = self._latest = None
        if not self._snapshot:
            return
        self._network = self._snapshot.build(phase.network)
        if cached and phase.fixed_images:
            tasks = phase.old_tasks if tasks is None else tasks
            self._fill_cache(phase, tasks, stages)
            if labels:
                self._fill_labels(phase, tasks)

    @property
    def channels(self) -> int:
        """Number of channels of its features."""
        return self._built().backbone.channels

    def _built(self) -> Network:
        assert self._network is not None
        return self._network

    @torch.no_grad()
    def _fill_cache(self, phase: Phase, tasks: Sequence[Task], stages: bool) -> None:
        names, count = [task.name for task in tasks], len(phase.data)
        features: list[list[Tensor]] = []
        cache: dict[str, Tensor] = {}
        done = 0
        for step in phase_batches(phase, size=phase.network.recipe.batch):
            computed, images = self.stages(step), len(step.images)
            outputs = self._decode(step, names)
            cache = cache or _room(outputs, count)
            for name, raw in outputs.items():
                cache[name][done:done + images].copy_(raw)
            done += images
            stages = stages and _fit(computed, count, STAGES_BYTES)
            if stages:
                features.append(computed)
        self._cached_outputs = cache
        if stages:
            self._cached_stages = [torch.cat(stage) for stage in zip(*features, strict=True)]

    def _fill_labels(self, phase: Phase, tasks: Sequence[Task]) -> None:
        """Cache pseudo-labels of a byte per pixel; maps are enlarged as fast as they are copied."""
        classes = [task for task in tasks if kind_of(task).class_count]
        found: dict[str, list[Tensor]] = {task.name: [] for task in classes}
        for step in phase_batches(phase, size=phase.network.recipe.batch):
            labels = self.pseudo_labels(step, classes)
            if not _fit(list(labels.values()), len(phase.data), LABELS_BYTES):
                return
            for name, label in labels.items():
                found[name].append(label)
        self._cached_labels = {name: torch.cat(labels) for name, labels in found.items()}

    def _decode(self, step: Step, names: Sequence[str]) -> dict[str, Tensor]:
        features = self.features(step)
        return self._built().decode_all(names, features)

    @torch.no_grad()
    def stages(self, step: Step) -> list[Tensor]:
        """Backbone features of the step's images after every stage, without gradient."""
        if self._cached_stages:
            return [stage.index_select(0, step.batch.positions) for stage in self._cached_stages]
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
            positions = step.batch.positions
            cached = [self._cached_outputs[task.name] for task in tasks]
            return {task.name: rows.index_select(0, positions.to(rows.device)).to(positions.device)
                    for task, rows in zip(tasks, cached, strict=True)}
        return self._decode(step, [task.name for task in tasks])

    @torch.no_grad()
    def outputs(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Raw outputs [B, channels, H, W] of `tasks` on the step's images, without gradient."""
        return {name: step.network.enlarge(raw, step.images.shape[-2:])
                for name, raw in self.coarse_outputs(step, tasks).items()}

    @torch.no_grad()
    def pseudo_labels(self, step: Step, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Pseudo-labels of `tasks` on the step's images, targets as `Task` defines them."""
        cached = {task.name: self._cached_labels[task.name].index_select(0, step.batch.positions)
                  for task in tasks if task.name in self._cached_labels}
        outputs = self.outputs(step, [task for task in tasks if task.name not in cached])
        return cached | {task.name: kind_of(task).pseudo_label(outputs[task.name])
                         for task in tasks if task.name in outputs}

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


def _room(outputs: Mapping[str, Tensor], images: int) -> dict[str, Tensor]:
    """Empty tensors for outputs like these of so many images: on their device if they fit in
    `OUTPUTS_SHARE` of it."""
    found: dict[str, Tensor] = {}
    for name, raw in outputs.items():
        shape = (images, *raw.shape[1:])
        if _fit(list(outputs.values()), images, int(OUTPUTS_SHARE * memory(raw.device))):
            found[name] = torch.empty(shape, dtype=raw.dtype, device=raw.device)
        else:
            with NamedTemporaryFile() as file:  # it lasts as long as the tensor
                found[name] = torch.from_file(file.name, shared=True, size=math.prod(shape),
                                              dtype=raw.dtype).view(shape)
    return found


def _fit(maps: Sequence[Tensor], images: int, limit: int) -> bool:
    """Whether maps like these, of so many images, take at most `limit` bytes."""
    return images * sum(each[0].numel() * each.element_size() for each in maps) <= limit
