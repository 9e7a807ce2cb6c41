"""Backbones at stride 8: those of timm, and a small residual network as the default."""

from __future__ import annotations

import difflib
import socket
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.config.recipe import Recipe
from benchmark.errors import RequestError

STRIDE = 8
SMALLEST = 32
"""Least height and width that a pyramid transformer takes (at stride 4 it pools keys by 8)."""

_NARROW = "narrow"


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: the basic block of He et al. (2016), dilated."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, dilation, dilation, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        same = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Identity() if same else nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
            nn.BatchNorm2d(channels_out))

    def forward(self, features: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C', H / stride, W / stride]."""
        inner = F.relu(self.bn1(self.conv1(features)))
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(features))


class Narrow(nn.Sequential):
    """The small default: a stem of 16 channels and residual blocks of 32, 64 and 64.

    It has stride 8, its last block is dilated by 2, and two CPU cores train it in seconds.
    """

    widths = [32, 64, 64]

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
                         ResidualBlock(16, 32, stride=2, dilation=1),
                         ResidualBlock(32, 64, stride=2, dilation=1),
                         ResidualBlock(64, 64, stride=1, dilation=2))

    def forward(self, images: Tensor) -> list[Tensor]:
        """The features after each of the three blocks, at strides 4, 8 and 8."""
        features, stages = images, []
        for layer in self:
            features = layer(features)
            if isinstance(layer, ResidualBlock):
                stages.append(features)
        return stages


class Backbone(nn.Module):
    """Images [B, 3, H, W] to features [B, `channels`, ceil(H/8), ceil(W/8)].

    Networks that timm can dilate give their last stage at stride 8. Of the others (pyramid
    transformers), all stages are resized to stride 8 and concatenated, as in SegFormer's head
    (Xie et al. 2021).
    """

    def __init__(self, recipe: Recipe) -> None:
        """Raises `RequestError` for an unknown backbone, one that gives no feature maps at stride
        8, or weights that cannot be loaded."""
        super().__init__()
        self.body, self.widths, self.dilated = _create(recipe.backbone, recipe.weights)
        self.channels = self.widths[-1] if self.dilated else sum(self.widths)

    def stages(self, images: Tensor) -> list[Tensor]:
        """The features after every stage, finest first: [B, `widths[i]`, h_i, w_i]."""
        height, width = images.shape[-2:]
        if self.dilated or min(height, width) >= SMALLEST:
            stages: list[Tensor] = self.body(images)
            return stages
        bottom, right = max(SMALLEST - height, 0), max(SMALLEST - width, 0)
        body: Any = self.body
        padded = body(F.pad(images, (0, right, 0, bottom), mode="replicate"))
        return [stage[..., :-(-height // stride), :-(-width // stride)]
                for stage, stride in zip(padded, body.feature_info.reduction(), strict=True)]

    def fuse_stages(self, stages: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """The features of images of `size` (H, W) from their stages."""
        if self.dilated:
            return stages[-1]
        resolution = [-(-length // STRIDE) for length in size]
        return torch.cat([F.interpolate(stage, resolution, mode="bilinear", align_corners=False)
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
    import timm  # as it takes its time, only by those who need it

    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [*timm.list_models(), _NARROW], n=3)
        raise RequestError(f"unknown backbone '{name}'. "
                           + (f"Did you mean {' or '.join(near)}?" if near
                              else "See timm.list_models()."))
    if weights == "imagenet":
        _require_weights(name)
    try:
        body, dilated = _create_timm(name, weights == "imagenet")
    except (TypeError, NotImplementedError, AssertionError, RuntimeError) as error:
        raise RequestError(f"backbone '{name}' gives no feature maps: {error}") from None
    if min(body.feature_info.reduction()) > STRIDE:
        raise RequestError(f"backbone '{name}' has no stage at stride {STRIDE} or finer; "
                           "use a convolutional network or a pyramid transformer (pvt_v2_b0)")
    return body, list(body.feature_info.channels()), dilated


def _create_timm(name: str, pretrained: bool) -> tuple[Any, bool]:
    """The network with all its stages; dilated where timm can."""
    import timm

    try:
        return timm.create_model(name, pretrained=pretrained, features_only=True,
                                 output_stride=STRIDE), True
    except (TypeError, NotImplementedError, AssertionError):
        return timm.create_model(name, pretrained=pretrained, features_only=True), False


def _require_weights(name: str) -> None:
    """Raise `RequestError` when weights are neither cached nor can be downloaded.

    The hub client alone retries for most of a minute before it raises.
    """
    import timm
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
