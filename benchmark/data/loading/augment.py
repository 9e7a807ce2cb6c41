"""Random zoom, crop and flip of images and labels alike, by the rules of each task kind."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from benchmark.config.recipe import Recipe
from benchmark.tasks.losses import Kind


def augment(images: Tensor, targets: Mapping[str, Tensor], kinds: Mapping[str, Kind],
            recipe: Recipe, generator: Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """One random view of every image [B, 3, H, W] and of its targets, at `recipe.crop` size.

    A zoom by s cuts a window of 1/s of the crop and enlarges it: bilinear for images, nearest
    for labels, values changed as the kind demands (depth / s). Windows lie inside the image.
    """
    size = recipe.crop or (images.shape[-2], images.shape[-1])
    views = [_View(images.shape[-2:], size, recipe, generator) for _ in range(len(images))]
    viewed = torch.cat([view.image(images[i:i + 1]) for i, view in enumerate(views)])
    return viewed, {name: torch.cat([view.target(target[i:i + 1], kinds[name])
                                     for i, view in enumerate(views)])
                    for name, target in targets.items()}


class _View:
    """Zoom, window and mirroring drawn for one image."""

    def __init__(self, full: torch.Size, size: tuple[int, int], recipe: Recipe,
                 generator: Generator) -> None:
        zoom = torch.randint(len(recipe.scales), (), generator=generator)
        self.size, self.zoom = size, recipe.scales[int(zoom)]
        window = [min(round(want / self.zoom), have) for want, have in zip(size, full, strict=True)]
        self.height, self.width = window
        self.top, self.left = (int(torch.randint(have - cut + 1, (), generator=generator))
                               for have, cut in zip(full, window, strict=True))
        self.mirrored = recipe.flip and bool(torch.rand((), generator=generator) < 0.5)

    def _cut(self, map_: Tensor) -> Tensor:
        return map_[..., self.top:self.top + self.height, self.left:self.left + self.width]

    def image(self, image: Tensor) -> Tensor:
        cut = self._cut(image)
        if cut.shape[-2:] != self.size:
            cut = F.interpolate(cut, size=self.size, mode="bilinear", align_corners=False)
        return cut.flip(-1) if self.mirrored else cut

    def target(self, target: Tensor, kind: Kind) -> Tensor:
        cut = self._cut(target)
        if cut.shape[-2:] != self.size:
            cut = kind.resize(cut, self.size)
        if self.zoom != 1:
            cut = kind.zoom(cut, self.zoom)
        return kind.flip(cut) if self.mirrored else cut
