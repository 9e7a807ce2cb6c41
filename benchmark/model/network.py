"""The network: one shared backbone and one head per task, heads being added task by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.config.recipe import Recipe
from benchmark.model.backbones import Backbone
from benchmark.model.catalogue import normalisation
from benchmark.model.heads import Head, decode_heads, upsample
from benchmark.seeds import derive, isolated
from benchmark.tasks import Task


class PassCounter:
    """Counts images in forward and backward passes of the backbone: the cost of training.

    A method's further networks (teachers) share the counter of the trained one, as do copies.
    """

    def __init__(self) -> None:
        self.forward = self.backward = 0

    def count(self, images: Tensor, features: Tensor) -> None:
        """Count one forward pass now, and its backward pass when it happens."""
        self.forward += len(images)
        if features.requires_grad:
            features.register_hook(lambda _: self._count_backward(len(images)))

    def _count_backward(self, images: int) -> None:
        self.backward += images

    def __deepcopy__(self, memo: dict[int, object]) -> PassCounter:
        return self


class Network(nn.Module):
    """The network that every method trains: `backbone` and `heads[task name]`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, recipe: Recipe, seed: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.seed = seed
        self.tasks: dict[str, Task] = {}
        self.passes = PassCounter()
        self.backbone = self._initial_backbone()
        self.heads = nn.ModuleDict()
        self.backbone_frozen = False
        self.statistics_frozen = False
        mean, deviation = normalisation(recipe)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1),
                             persistent=False)

    def _initial_backbone(self) -> Backbone:
        with isolated(derive(self.seed, "backbone")):
            return Backbone(self.recipe)

    def add_head(self, task: Task) -> None:
        """Add the head of `task`; its initial weights depend on the seed and the task alone."""
        with isolated(derive(self.seed, "head", task.name)):
            head = Head(self.backbone.channels, task.channels, self.recipe)
        self.heads[task.name] = head.to(next(self.backbone.parameters()).device)
        self.tasks[task.name] = task

    def trainable_backbone(self) -> dict[str, nn.Parameter]:
        """The backbone's parameters that are trained (not frozen), by their names in it."""
        return {name: parameter for name, parameter in self.backbone.named_parameters()
                if parameter.requires_grad}

    def reset_backbone(self) -> None:
        """Set the backbone's weights and running statistics back to their initial values."""
        self.backbone.load_state_dict(self._initial_backbone().state_dict())

    def freeze_backbone(self) -> None:
        """Stop training the backbone and updating its running statistics, from now on."""
        self.backbone_frozen = True
        self.backbone.requires_grad_(False)
        self.train(self.training)

    def freeze_statistics(self, affine: bool) -> None:
        """Have the backbone's batch norm use its running statistics unchanged from now on; with
        `affine`, stop training its scale and shift too."""
        self.statistics_frozen = True
        for module in self.backbone.modules():
            if affine and isinstance(module, _BatchNorm):
                module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Network:
        super().train(mode)
        if self.backbone_frozen:
            self.backbone.eval()
        elif self.statistics_frozen:
            for module in self.backbone.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def stages(self, images: Tensor) -> list[Tensor]:
        """Images [B, 3, H, W] in [0, 1] to the backbone's features after every stage."""
        stages = self.backbone.stages(self._normalise(images))
        self.passes.count(images, stages[-1])
        return stages

    def fuse_stages(self, stages: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """The features of images of `size` (H, W) from their stages."""
        return self.backbone.fuse_stages(stages, size)

    def encode(self, images: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Images [B, 3, H, W] in [0, 1] to features [B, C, ceil(H/8), ceil(W/8)].

        `weights` (parameters and buffers by their names in the backbone) replace the backbone's
        own for this pass.
        """
        if weights is None:
            return self.fuse_stages(self.stages(images), images.shape[-2:])
        features: Tensor = functional_call(self.backbone, dict(weights), (self._normalise(images),))
        self.passes.count(images, features)
        return features

    def _normalise(self, images: Tensor) -> Tensor:
        """The input of the backbone. Its layout, channels last, is that of all maps after it. It is
        not that of weights: sums over those would depend on whether they come from a file."""
        images = images.to(self.mean.dtype)
        if self.recipe.normalise != "none":
            images = (images - self.mean) / self.deviation
        return images.contiguous(memory_format=torch.channels_last)

    def decode(self, task: str, features: Tensor) -> Tensor:
        """Features to the task's raw output at feature resolution [B, channels, h, w]."""
        return self.decode_all([task], features)[task]

    def decode_all(self, tasks: Sequence[str], features: Tensor) -> dict[str, Tensor]:
        """Raw outputs at feature resolution of several tasks, from the same features."""
        heads = [cast(Head, self.heads[task]) for task in tasks]
        return dict(zip(tasks, decode_heads(heads, features), strict=True))

    def enlarge(self, raw: Tensor, size: Sequence[int]) -> Tensor:
        """Raw output [B, channels, h, w] at the size (H, W) of images, as the recipe says."""
        return upsample(raw, size, self.recipe.align_corners)

    def outputs(self, images: Tensor, tasks: Sequence[str],
                weights: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Raw outputs of `tasks` at image size, from one backbone pass (`weights`: see encode)."""
        features = self.encode(images, weights)
        return {task: self.enlarge(raw, images.shape[-2:])
                for task, raw in self.decode_all(tasks, features).items()}
