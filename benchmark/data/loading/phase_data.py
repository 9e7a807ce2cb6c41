"""The training data of one phase, served as batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.config.recipe import Recipe
from benchmark.data.loading.array_loader import ArrayLoader, Preload, on_device, pixels
from benchmark.data.loading.augment import augment
from benchmark.data.loading.blocks import Block, batch_sizes
from benchmark.data.store.files import IMAGE, Store
from benchmark.errors import RequestError, RunError
from benchmark.seeds import derive
from benchmark.tasks import Task
from benchmark.tasks.losses import kind_of

_CHECKED_AT_ONCE = 32


@dataclass(frozen=True)
class Batch:
    """Images and labels of one step; an image without labels of a task is invalid throughout."""

    images: Tensor
    """[B, 3, H, W] in [0, 1]"""
    positions: Tensor
    """[B], which images of the phase these are"""
    targets: dict[str, Tensor]


class PhaseData:
    """Images of one block and the labels its tasks have there, nothing else."""

    def __init__(self, store: Store, block: Block, tasks: Mapping[str, Task], recipe: Recipe,
                 seed: int, device: torch.device, preload: Preload = "auto") -> None:
        """Raises `RequestError` when a task has no valid pixel in its whole block, or when crops
        are larger than the images."""
        self._recipe, self._seed, self._count = recipe, seed, len(block.images)
        self._device = device
        self._check_crop(store.array("train", IMAGE).shape[-2:])
        self._kinds = {name: kind_of(tasks[name]) for name in block.tasks}
        self._labelled = block.labelled
        self._columns: ArrayLoader | None = ArrayLoader(store, "train", device, preload)
        self._columns.add(IMAGE, block.images)
        for name in block.tasks:
            start, stop = block.labelled[name]
            self._columns.add(name, block.images[start:stop])
            if not self._any_valid(name):
                raise RequestError(store.describe_void(name, block.images[start:stop]))

    def _check_crop(self, size: tuple[int, ...]) -> None:
        crop = self._recipe.crop
        if crop is not None and (crop[0] > size[0] or crop[1] > size[1]):
            raise RequestError(f"recipe.crop is {list(crop)}, the images are {list(size)} "
                               "(height, width): choose a crop inside them")

    def _any_valid(self, task: str) -> bool:
        columns = self._open()
        parts = torch.arange(columns.count(task)).split(_CHECKED_AT_ONCE)
        return any(bool(self._kinds[task].valid(found[task]).any())
                   for found in columns.batches([{task: part} for part in parts]))

    def close(self) -> None:
        """The phase is over: from now on its images are old data, and nobody gets them."""
        self._columns = None

    def _open(self) -> ArrayLoader:
        if self._columns is None:
            raise RunError("a method asked for the images of an earlier phase; what it needs of "
                           "them later it must keep in its state")
        return self._columns

    def __len__(self) -> int:
        return self._count

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
        sizes = batch_sizes(len(order), self._recipe.batch, self._recipe.drop_last)
        return list(order[:sum(sizes)].split(sizes))

    def epoch(self, number: int) -> Iterator[Batch]:
        """Batches of training epoch `number`; the same for the same seed, always."""
        generator = torch.Generator().manual_seed(derive(self._seed, "data", number))
        order = torch.arange(len(self)).repeat_interleave(self._recipe.crops_per_image)
        if self._recipe.shuffle:
            order = order[torch.randperm(len(order), generator=generator)]
        yield from self._batches(self._plan(order), generator)

    def plain(self, size: int) -> Iterator[Batch]:
        """Every image once, in order, not augmented, `size` at a time."""
        yield from self._batches(list(torch.arange(len(self)).split(size)), None)

    def _batches(self, plan: list[Tensor], generator: torch.Generator | None) -> Iterator[Batch]:
        arriving = self._open().batches([self._request(each) for each in plan])
        for positions, found in zip(on_device(plan, self._device), arriving, strict=True):
            images = pixels(found.pop(IMAGE))
            targets = {name: self._only_labelled(name, target, positions)
                       for name, target in found.items()}
            if generator is not None and not self.fixed:
                images, targets = augment(images, targets, self._kinds, self._recipe, generator)
            yield Batch(images, positions, targets)

    def _request(self, positions: Tensor) -> dict[str, Tensor]:
        request = {IMAGE: positions}
        for name in self._kinds:
            start, stop = self._labelled[name]
            request[name] = (positions - start).clamp(0, stop - start - 1)
        return request

    def _only_labelled(self, name: str, target: Tensor, positions: Tensor) -> Tensor:
        """The targets, invalid for images that carry no label of the task."""
        start, stop = self._labelled[name]
        if stop - start == len(self):
            return target
        foreign = (positions < start) | (positions >= stop)
        return target.masked_fill_(foreign.view(-1, *[1] * (target.dim() - 1)),
                                   self._kinds[name].invalid)
