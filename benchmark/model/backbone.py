"""Backbones from timm at stride 8, and the small default that suits two CPU cores."""

from __future__ import annotations

import difflib
import socket
from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.config.recipe import Recipe
from benchmark.errors import RequestError
from benchmark.model.narrow import Narrow

STRIDE = 8
SMALLEST = 32
"""Least height and width that a pyramid transformer takes (at stride 4 it pools keys by 8)."""

_NARROW = "narrow"


class Backbone(nn.Module):
    """Images [B, 3, H, W] to features [B, `channels`, ceil(H/8), ceil(W/8)].

    Networks that timm can dilate give their last stage at stride 8. Of the others (pyramid
    transformers), all stages are resized to stride 8 and put together, as SegFormer's head does
    (Xie et al. 2021).
    """

    def __init__(self, recipe: Recipe) -> None:
        """Raises `RequestError` for an unknown backbone, one that gives no feature maps at stride
        8, or weights that are not at hand."""
        super().__init__()
        self.body, self.widths, self.dilated = _create(recipe.backbone, recipe.weights)
        self.channels = self.widths[-1] if self.dilated else sum(self.widths)

    def stages(self, images: Tensor) -> list[Tensor]:
        """The features after every stage, finest first: [B, `widths[i]`, h_i, w_i]."""
        size = images.shape[-2:]
        if self.dilated or min(size) >= SMALLEST:
            found: list[Tensor] = self.body(images)
            return found
        below, beside = (max(SMALLEST - length, 0) for length in size)
        body: Any = self.body
        padded = body(F.pad(images, (0, beside, 0, below), mode="replicate"))
        return [stage[..., :-(-size[0] // stride), :-(-size[1] // stride)]
                for stage, stride in zip(padded, body.feature_info.reduction(), strict=True)]

    def fuse_stages(self, stages: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """The features of images of `size` (H, W) from their stages."""
        if self.dilated:
            return stages[-1]
        wanted = [-(-length // STRIDE) for length in size]
        return torch.cat([F.interpolate(stage, size=wanted, mode="bilinear", align_corners=False)
                          for stage in stages], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        return self.fuse_stages(self.stages(images), images.shape[-2:])


def _create(name: str, weights: str) -> tuple[nn.Module, list[int], bool]:
    """The network, the channels of its stages, and whether its last stage has stride 8."""
    if weights not in ("none", "imagenet"):
        raise RequestError(f"recipe.weights is '{weights}'; use none or imagenet")
    if name == _NARROW:
        if weights != "none":
            raise RequestError(f"the backbone '{name}' has no ImageNet weights; "
                               "use --set recipe.weights=none or another recipe.backbone")
        return Narrow(), Narrow.widths, True
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [*timm.list_models(), _NARROW], n=3)
        raise RequestError(f"unknown backbone '{name}'. "
                           + (f"Did you mean {' or '.join(near)}?" if near
                              else "See timm.list_models()."))
    if weights == "imagenet":
        _require_weights(name)
    try:
        body, dilated = _timm(name, weights == "imagenet")
    except (TypeError, NotImplementedError, AssertionError, RuntimeError) as error:
        raise RequestError(f"backbone '{name}' gives no feature maps: {error}") from None
    if min(body.feature_info.reduction()) > STRIDE:
        raise RequestError(f"backbone '{name}' has no stage at stride {STRIDE} or finer; "
                           "use a convolutional network or a pyramid transformer (pvt_v2_b0)")
    return body, list(body.feature_info.channels()), dilated


def _timm(name: str, pretrained: bool) -> tuple[Any, bool]:
    """The network with all its stages; dilated where timm can."""
    try:
        return timm.create_model(name, pretrained=pretrained, features_only=True,
                                 output_stride=STRIDE), True
    except (TypeError, NotImplementedError, AssertionError):
        return timm.create_model(name, pretrained=pretrained, features_only=True), False


def _require_weights(name: str) -> None:
    """Fail at once, with one sentence, when weights are neither cached nor within reach.

    The hub client by itself retries for most of a minute before it gives up.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    source = timm.get_pretrained_cfg(name)
    if source is None or not source.hf_hub_id:
        raise RequestError(f"timm has no ImageNet weights for '{name}'; "
                           "use --set recipe.weights=none")
    files = ("model.safetensors", "pytorch_model.bin")
    if any(isinstance(try_to_load_from_cache(source.hf_hub_id, file), str) for file in files):
        return
    try:
        socket.create_connection(("huggingface.co", 443), timeout=5).close()
    except OSError:
        raise RequestError(
            f"ImageNet weights of '{name}' ({source.hf_hub_id}) are not in "
            f"{constants.HF_HUB_CACHE} and the hub cannot be reached; put them there, or train "
            "from scratch with --set recipe.weights=none") from None
