"""Heads: from the backbone's features to a task's raw output, and from there to image size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.segmentation.deeplabv3 import ASPP

from benchmark.config.recipe import Recipe


def make_head(channels_in: int, channels_out: int, recipe: Recipe) -> nn.Sequential:
    """DeepLabV3's head (Chen et al. 2017), of any width; torchvision's own is fixed to 256."""
    width = recipe.head_channels
    aspp = ASPP(channels_in, list(recipe.head_rates), width)
    for module in aspp.modules():
        if isinstance(module, nn.Dropout):
            module.p = recipe.head_dropout
    return nn.Sequential(aspp, nn.Conv2d(width, width, 3, padding=1, bias=False),
                         nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels_out, 1))


def upsample(maps: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Maps [B, C, h, w] (raw outputs, features) resized bilinearly to `size` (H, W), in float32
    or float64; `align_corners` as in `F.interpolate`."""
    precise = maps if maps.dtype == torch.float64 else maps.float()
    return F.interpolate(precise, size=tuple(size), mode="bilinear",
                         align_corners=align_corners)
