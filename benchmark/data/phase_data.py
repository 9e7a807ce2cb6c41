"""The training data of one phase, resident on the device, served as batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmark.config.recipe import Recipe
from benchmark.data.augment import augment
from benchmark.data.blocks import Block
from benchmark.data.store import IMAGE, Split, Store
from benchmark.errors import RequestError
from benchmark.seeds import derive
from benchmark.tasks import Task
from benchmark.tasks.kinds import kind_of


@dataclass(frozen=True)
class Batch:
    """Images and labels of one step; an image without labels of a task is invalid throughout."""

    images: Tensor
    """[B, 3, H, W] in [0, 1]"""
    positions: Tensor
    """[B], which images of the phase these are"""
    targets: dict[str, Tensor]


def load(store: Store, split: Split, modality: str, positions: np.ndarray | None = None,
         device: torch.device | str = "cpu") -> Tensor:
    """Rows of a store's array as a tensor on the device; float16 maps become float32."""
    array = store.array(split, modality)
    rows = np.ascontiguousarray(array if positions is None else array[positions])
    tensor = torch.from_numpy(rows.copy() if not rows.flags.writeable else rows)
    return (tensor.float() if tensor.is_floating_point() else tensor).to(device)


class PhaseData:
    """Images of one block and the labels its tasks have there, nothing else."""

    def __init__(self, store: Store, block: Block, tasks: dict[str, Task], recipe: Recipe,
                 seed: int, device: torch.device) -> None:
        """Raises `RequestError` when a task has no valid pixel in its whole block."""
        self._images = load(store, "train", IMAGE, block.images, device)
        self._kinds = {name: kind_of(tasks[name]) for name in block.tasks}
        self._recipe, self._seed = recipe, seed
        self._targets = {}
        for name, kind in self._kinds.items():
            start, stop = block.labelled[name]
            own = load(store, "train", name, block.images[start:stop], device)
            if not bool(kind.valid(own).any()):
                raise RequestError(store.describe_void(name, block.images[start:stop]))
            full = own.new_full((len(self), *own.shape[1:]), kind.invalid)
            full[start:stop] = own
            self._targets[name] = full

    def __len__(self) -> int:
        return len(self._images)

    @property
    def fixed(self) -> bool:
        """Whether an image looks the same every time it is seen."""
        return not self._recipe.augments

    @property
    def images_per_epoch(self) -> int:
        """Images, or crops of images, that an epoch shows."""
        return sum(map(len, self._plan(torch.arange(len(self) * self._recipe.crops_per_image))))

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return len(self._plan(torch.arange(len(self) * self._recipe.crops_per_image)))

    def _plan(self, order: Tensor) -> list[Tensor]:
        parts = list(order.split(min(self._recipe.batch, len(order))))
        if len(parts[-1]) < len(parts[0]):
            last = parts.pop()
            # Batch norm over the pooled branch needs two images: a lone one joins the step before.
            if not self._recipe.drop_last:
                parts += [torch.cat([parts.pop(), last])] if len(last) == 1 else [last]
        return parts

    def epoch(self, number: int) -> Iterator[Batch]:
        """Batches of training epoch `number`; the same for the same seed, always."""
        generator = torch.Generator().manual_seed(derive(self._seed, "data", number))
        order = torch.arange(len(self)).repeat_interleave(self._recipe.crops_per_image)
        if self._recipe.shuffle:
            order = order[torch.randperm(len(order), generator=generator)]
        for positions in self._plan(order):
            yield self._batch(positions, generator)

    def plain(self, size: int) -> Iterator[Batch]:
        """Every image once, in order, not augmented, `size` at a time."""
        for positions in torch.arange(len(self)).split(size):
            yield self._batch(positions, None)

    def _batch(self, positions: Tensor, generator: torch.Generator | None) -> Batch:
        positions = positions.to(self._images.device)
        images = self._images[positions].float() / 255
        targets = {name: target[positions] for name, target in self._targets.items()}
        if generator is not None and not self.fixed:
            images, targets = augment(images, targets, self._kinds, self._recipe, generator)
        return Batch(images, positions, targets)
