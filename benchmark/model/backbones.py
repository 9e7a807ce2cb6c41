"""Backbones at stride 8: those of timm, and a small residual network as the default."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.config.recipe import Recipe
from benchmark.errors import RequestError
from benchmark.model.catalogue import NARROW
from benchmark.model.narrow import Narrow
from benchmark.model.pretrained import (
    NONE,
    find_weights,
    matched,
    of_a_run,
    read_weights,
    require_reachable,
)

STRIDE = 8
SMALLEST = 32
"""Least height and width that a pyramid transformer takes (at stride 4 it pools keys by 8)."""
@dataclass(frozen=True)
class _Body:
    """A network that gives feature maps, its stages, and how they become the features."""

    network: nn.Module
    widths: list[int]
    strides: list[int]
    concatenated: bool = False
    """Whether all stages together are the features, rather than the last one."""
    padded: bool = False
    """Whether images smaller than `SMALLEST` must be enlarged."""
    plain: bool = False
    """Whether it is a transformer of one resolution, whatever its stride."""


class Backbone(nn.Module):
    """Images [B, 3, H, W] to features [B, `channels`, ceil(H/8), ceil(W/8)].

    Networks that timm can dilate give their last stage at stride 8. Of plain transformers (ViT),
    the last stage is resampled at stride 8, or goes through one level of ViTDet's simple pyramid
    first. Of the others (pyramid transformers), all stages are resized to stride 8 and
    concatenated, as in SegFormer's head (Xie et al. 2021).
    """

    def __init__(self, recipe: Recipe) -> None:
        """Raises `RequestError` for an unknown backbone, one that gives no feature maps at stride
        8, or weights that cannot be loaded."""
        super().__init__()
        body = _create(recipe)
        self.body, self.widths, self.strides = body.network, body.widths, body.strides
        self._concatenated, self._padded = body.concatenated, body.padded
        self.channels = sum(self.widths) if body.concatenated else self.widths[-1]
        self.neck: nn.Module = nn.Identity()
        self._stride: float = self.strides[-1]
        if recipe.neck == "simple_pyramid":
            self.neck, self.channels = _simple_pyramid(recipe, body)
            self._stride /= 2

    def stages(self, images: Tensor) -> list[Tensor]:
        """The features after every stage, finest first: [B, `widths[i]`, h_i, w_i]."""
        height, width = images.shape[-2:]
        if not self._padded or min(height, width) >= SMALLEST:
            stages: list[Tensor] = self.body(images)
            return stages
        bottom, right = max(SMALLEST - height, 0), max(SMALLEST - width, 0)
        padded = self.body(F.pad(images, (0, right, 0, bottom), mode="replicate"))
        return [stage[..., :-(-height // stride), :-(-width // stride)]
                for stage, stride in zip(padded, self.strides, strict=True)]

    def fuse_stages(self, stages: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """The features of images of `size` (H, W) from their stages."""
        resolution = [-(-length // STRIDE) for length in size]
        if self._concatenated:
            return torch.cat([F.interpolate(stage, resolution, mode="bilinear",
                                            align_corners=False) for stage in stages], dim=1)
        return _at_stride(self.neck(stages[-1]), self._stride, resolution)

    def forward(self, images: Tensor) -> Tensor:
        return self.fuse_stages(self.stages(images), images.shape[-2:])


def _at_stride(features: Tensor, stride: float, size: Sequence[int]) -> Tensor:
    """Features [B, C, h, w] at `stride` resampled bilinearly at `STRIDE`, as [B, C, *`size`].

    Pixels keep their places: what the features hold beyond the image's border is cut off.
    """
    if stride == STRIDE:
        return features[..., :size[0], :size[1]]
    resampled = F.interpolate(features, scale_factor=stride / STRIDE, mode="bilinear",
                              align_corners=False, recompute_scale_factor=False)
    below, beside = (max(wanted - length, 0)
                     for wanted, length in zip(size, resampled.shape[-2:], strict=True))
    return F.pad(resampled, (0, beside, 0, below), mode="replicate")[..., :size[0], :size[1]]


def _create(recipe: Recipe) -> _Body:
    name, weights = recipe.backbone, find_weights(recipe.backbone, recipe.weights)
    if weights.source == "hub":
        require_reachable(name)
    state = read_weights(weights.path) if weights.path else {}
    own = of_a_run(state)
    if name == NARROW:
        body, own = _create_narrow(recipe), own or state
    else:
        import timm  # as it takes its time, only by those who need it

        options: dict[str, Any] = {"pretrained": recipe.weights != NONE and not own}
        if state and not own:
            expected = timm.create_model(name).state_dict()
            options["pretrained_cfg_overlay"] = {"state_dict": matched(weights, state, expected)}
        try:
            with _quiet_timm():
                body = _create_timm(recipe, options)
        except (TypeError, NotImplementedError, AssertionError, RuntimeError) as error:
            raise RequestError(f"backbone '{name}' gives no feature maps: {error}") from None
    if own:
        body.network.load_state_dict(matched(weights, own, body.network.state_dict()))
    _require_stride(recipe, body)
    return body


@contextmanager
def _quiet_timm() -> Iterator[None]:
    """Have timm not warn of the classifier, which no feature extractor has."""
    logger = logging.getLogger("timm")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _create_timm(recipe: Recipe, options: dict[str, Any]) -> _Body:
    """The network with all its stages, or the first ones; dilated where timm can."""
    import timm

    if recipe.stages is not None:
        # Of timm's ways to give features, only the getter removes what comes after them.
        options = options | {"out_indices": tuple(range(recipe.stages)), "feature_cls": "getter"}
    try:
        network: Any = timm.create_model(recipe.backbone, features_only=True,
                                         output_stride=STRIDE, **options)
        dilated = True
    except (TypeError, NotImplementedError, AssertionError):
        network = timm.create_model(recipe.backbone, features_only=True, **options)
        dilated = False
    strides = list(network.feature_info.reduction())
    if dilated:
        return _Body(network, list(network.feature_info.channels()), strides)
    if len(set(strides)) == 1:
        return _create_plain(recipe, options)
    return _Body(network, _widths(network), strides, concatenated=True, padded=True)


def _create_plain(recipe: Recipe, options: dict[str, Any]) -> _Body:
    """A transformer of one resolution, for images of any size."""
    import timm

    from benchmark.model.transformer import QUARTERS, PlainTransformer

    options = {key: value for key, value in options.items() if key.startswith("pretrained")}
    try:
        model = timm.create_model(recipe.backbone, dynamic_img_size=True, **options)
    except TypeError:  # some take any size without being asked to
        model = timm.create_model(recipe.backbone, **options)
    if not hasattr(model, "blocks"):
        raise NotImplementedError("it has no sequence of blocks")
    network = PlainTransformer(model, _stage_count(recipe, QUARTERS))
    widths = _widths(network)
    return _Body(network, widths, [network.patch] * len(widths), plain=True)


@torch.no_grad()
def _widths(network: nn.Module) -> list[int]:
    """Channels of the stages, from images of a size that no network is made for."""
    network.eval()
    widths = [stage.shape[1] for stage in network(torch.zeros(1, 3, 64, 96))]
    network.train()
    return widths


def _create_narrow(recipe: Recipe) -> _Body:
    count = _stage_count(recipe, len(Narrow.widths))
    return _Body(Narrow(count), Narrow.widths[:count], Narrow.strides[:count])


def _stage_count(recipe: Recipe, most: int) -> int:
    count = most if recipe.stages is None else recipe.stages
    if count > most:
        raise RequestError(f"recipe.stages is {count}, '{recipe.backbone}' has {most}")
    return count


def _require_stride(recipe: Recipe, body: _Body) -> None:
    if body.plain:
        return
    if min(body.strides) > STRIDE:
        raise RequestError(f"backbone '{recipe.backbone}' has no stage at stride {STRIDE} or "
                           "finer; use a convolutional network or a transformer (pvt_v2_b0, "
                           "vit_small_patch14_dinov2)")
    if body.strides[-1] < STRIDE:
        raise RequestError(f"recipe.stages={recipe.stages} of '{recipe.backbone}' ends at stride "
                           f"{body.strides[-1]}; take more, up to stride {STRIDE}")


def _simple_pyramid(recipe: Recipe, body: _Body) -> tuple[nn.Module, int]:
    """The neck of a plain transformer and its channels."""
    if not body.plain:
        raise RequestError(f"recipe.neck=simple_pyramid is for plain transformers; "
                           f"'{recipe.backbone}' needs none: --set recipe.neck=none")
    from benchmark.model.transformer import SimplePyramid

    return SimplePyramid(body.widths[-1]), SimplePyramid.width
