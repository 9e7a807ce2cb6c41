"""One backbone, one ASPP head per task; heads come one by one and leave the rest untouched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torchvision.models.segmentation.deeplabv3 import ASPP

from benchmark.config.recipe import Recipe
from benchmark.model.backbone import Backbone
from benchmark.seeds import derive, isolated
from benchmark.tasks import Task

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _head(channels_in: int, channels_out: int, recipe: Recipe) -> nn.Sequential:
    """DeepLabV3's head (Chen et al. 2017), at any width; torchvision's own is fixed to 256."""
    width = recipe.head_channels
    aspp = ASPP(channels_in, list(recipe.head_rates), width)
    for module in aspp.modules():
        if isinstance(module, nn.Dropout):
            module.p = recipe.head_dropout
    return nn.Sequential(aspp, nn.Conv2d(width, width, 3, padding=1, bias=False),
                         nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels_out, 1))


class Passes:
    """Images that went through an encoder, forwards and backwards: what a method's training costs.

    Copies of a network (teachers) count on the same tally.
    """

    def __init__(self) -> None:
        self.forward = self.backward = 0

    def count(self, images: Tensor, features: Tensor) -> None:
        """Note one pass; its way back is noted when it is gone."""
        self.forward += len(images)
        if features.requires_grad:
            features.register_hook(lambda _: self._back(len(images)))

    def _back(self, images: int) -> None:
        self.backward += images

    def __deepcopy__(self, memo: dict[int, object]) -> Passes:
        return self


class Network(nn.Module):
    """The network every method trains: `backbone` and `heads[task name]`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, recipe: Recipe, seed: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.seed = seed
        self.tasks: dict[str, Task] = {}
        self.passes = Passes()
        with isolated(derive(seed, "backbone")):
            self.backbone = Backbone(recipe)
        self.heads = nn.ModuleDict()
        self.backbone_frozen = False
        self.statistics_frozen = False
        mean, deviation = _IMAGENET if recipe.normalise == "imagenet" else ((0.0,) * 3, (1.0,) * 3)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1),
                             persistent=False)

    def add_head(self, task: Task) -> None:
        """Add the head of `task`; its first weights depend on the seed and the task alone."""
        with isolated(derive(self.seed, "head", task.name)):
            head = _head(self.backbone.channels, task.channels, self.recipe)
        self.heads[task.name] = head.to(next(self.backbone.parameters()).device)
        self.tasks[task.name] = task

    def restart(self) -> None:
        """Give the backbone its first weights and statistics again."""
        with isolated(derive(self.seed, "backbone")):
            fresh = Backbone(self.recipe)
        self.backbone.load_state_dict(fresh.state_dict())

    def freeze_backbone(self) -> None:
        """From now on the backbone neither learns nor moves its statistics."""
        self.backbone_frozen = True
        self.backbone.requires_grad_(False)
        self.train(self.training)

    def freeze_statistics(self, affine: bool) -> None:
        """From now on the backbone's batch norm uses its running statistics as they are;
        with `affine` its scale and shift do not learn either."""
        self.statistics_frozen = True
        for module in self.backbone.modules():
            if affine and isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Network:
        super().train(mode)
        if self.backbone_frozen:
            self.backbone.eval()
        elif self.statistics_frozen:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def stages(self, images: Tensor) -> list[Tensor]:
        """Images [B, 3, H, W] in [0, 1] to the backbone's features after every stage."""
        found = self.backbone.stages((images - self.mean) / self.deviation)
        self.passes.count(images, found[-1])
        return found

    def fuse_stages(self, stages: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """The features of images of `size` from their stages."""
        return self.backbone.fuse_stages(stages, size)

    def encode(self, images: Tensor, weights: Mapping[str, Tensor] | None = None) -> Tensor:
        """Images [B, 3, H, W] in [0, 1] to features [B, C, ceil(H/8), ceil(W/8)].

        With `weights`, a state of the backbone or a part of one, as if the backbone were in that
        state.
        """
        if weights is None:
            return self.fuse_stages(self.stages(images), images.shape[-2:])
        scaled = (images - self.mean) / self.deviation
        features: Tensor = functional_call(self.backbone, dict(weights), (scaled,))
        self.passes.count(images, features)
        return features

    def decode(self, task: str, features: Tensor) -> Tensor:
        """Features to the task's raw output at feature resolution [B, channels, h, w]."""
        raw: Tensor = self.heads[task](features)
        return raw

    def outputs(self, images: Tensor, tasks: Sequence[str],
                weights: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Raw outputs of `tasks` at image size, from one backbone pass (`weights`: see encode)."""
        features = self.encode(images, weights)
        return {task: upsample(self.decode(task, features), images.shape[-2:]) for task in tasks}


def upsample(raw: Tensor, size: Sequence[int]) -> Tensor:
    """A raw output [B, C, h, w] at image size, in fp32 or better, bilinear."""
    precise = raw if raw.dtype == torch.float64 else raw.float()
    return F.interpolate(precise, size=tuple(size), mode="bilinear", align_corners=False)
