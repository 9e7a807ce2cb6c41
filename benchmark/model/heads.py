"""Heads: from the backbone's features to a task's raw output, and from there to image size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.config.recipe import Recipe
from benchmark.model.dilated import dilated_convolution

JOINT_WIDTH = 64
"""Widest heads that are trained in one pass: narrow ones spend their time on the number of calls,
wider ones on multiplications, of which a joint pass saves none."""


class Head(nn.Sequential):
    """DeepLabV3's head (Chen et al. 2017) of any width: ASPP, 3x3 convolution, batch norm, ReLU and
    1x1 convolution.

    Names, order and initial values of its parameters are torchvision's (`DeepLabHead`).
    """

    def __init__(self, channels_in: int, channels_out: int, recipe: Recipe) -> None:
        width = recipe.head_channels
        super().__init__(
            ASPP(channels_in, recipe.head_rates, width, recipe.head_dropout),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, channels_out, 1))
        self.width = width

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, C, h, w] to the raw output [B, channels, h, w]."""
        return decode_jointly([self], features)[0]


class ASPP(nn.Module):
    """The parameters of atrous spatial pyramid pooling: `convs`, which are a 1x1 convolution, a 3x3
    one per dilation rate and one of the map's mean, and `project`, of what they give."""

    def __init__(self, channels_in: int, rates: Sequence[int], width: int, dropout: float) -> None:
        super().__init__()
        branches = [nn.Sequential(*_normalised(channels_in, width, 1))]
        branches += [nn.Sequential(*_normalised(channels_in, width, 3, rate)) for rate in rates]
        pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_normalised(channels_in, width, 1))
        self.convs = nn.ModuleList([*branches, pooled])
        self.project = nn.Sequential(*_normalised(len(self.convs) * width, width, 1),
                                     nn.Dropout(dropout))


def _normalised(channels_in: int, width: int, kernel: int, rate: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(channels_in, width, kernel, padding=rate * (kernel // 2), dilation=rate,
                      bias=False), nn.BatchNorm2d(width), nn.ReLU()]


def decode_heads(heads: Sequence[Head], features: Tensor) -> list[Tensor]:
    """The raw outputs [B, channels, h, w] of heads of one recipe on the same features.

    Narrow heads in training go through every layer together, as groups of one convolution.
    """
    if heads[0].width <= JOINT_WIDTH and all(head.training for head in heads):
        return decode_jointly(heads, features)
    return [head(features) for head in heads]


def decode_jointly(heads: Sequence[Any], features: Tensor) -> list[Tensor]:
    """The raw outputs of heads of one recipe on the same features, from one pass through every
    layer, of which each head is a group; several heads must be in training."""
    count = len(heads)
    inner = _aspp([head[0] for head in heads], features)
    inner = F.conv2d(inner, _stacked([head[1].weight for head in heads]), padding=1, groups=count)
    inner = _activated([head[2] for head in heads], inner)
    return [head[4](part) for head, part in zip(heads, inner.chunk(count, dim=1), strict=True)]


def _aspp(pyramids: Sequence[Any], features: Tensor) -> Tensor:
    """[B, C, h, w] to [B, count * width, h, w].

    The mean of a map is the same at all its positions, and so is what it adds to the projection:
    it is projected by itself and added, instead of being enlarged to a map first.
    """
    *spatial, pooled = zip(*(pyramid.convs for pyramid in pyramids), strict=True)
    count, dropout = len(pyramids), pyramids[0].project[3]
    maps = []
    for branches in spatial:
        weight = _stacked([branch[0].weight for branch in branches])
        convolved = dilated_convolution(features, weight, branches[0][0].dilation[0])
        maps.append(_activated([branch[1] for branch in branches], convolved))
    mean = F.conv2d(features.mean((2, 3), keepdim=True),
                    _stacked([branch[1].weight for branch in pooled]))
    mean = _activated([branch[2] for branch in pooled], mean)
    weights = [pyramid.project[0].weight for pyramid in pyramids]
    split = weights[0].shape[1] - mean.shape[1] // count
    projected = F.conv2d(_by_head(maps, count), _stacked([weight[:, :split] for weight in weights]),
                         groups=count)
    projected += F.conv2d(mean, _stacked([weight[:, split:] for weight in weights]), groups=count)
    projected = _activated([pyramid.project[1] for pyramid in pyramids], projected)
    dropped: Tensor = dropout(projected)
    return dropped


def _by_head(maps: Sequence[Tensor], count: int) -> Tensor:
    """The maps of all branches, [B, count * width, h, w] each, as one with the channels of a head
    side by side."""
    if count == 1:
        return torch.cat(list(maps), dim=1)
    last = [each.permute(0, 2, 3, 1).unflatten(-1, (count, -1)) for each in maps]
    return torch.cat(last, dim=-1).flatten(3).permute(0, 3, 1, 2)


def _activated(norms: Sequence[Any], maps: Tensor) -> Tensor:
    """Batch norm and ReLU of maps whose channels are those of one norm after the other."""
    if len(norms) == 1:
        return F.relu(norms[0](maps), inplace=True)
    own = [norm.running_mean for norm in norms], [norm.running_var for norm in norms]
    mean, variance = torch.cat(own[0]), torch.cat(own[1])
    maps = F.batch_norm(maps, mean, variance, torch.cat([norm.weight for norm in norms]),
                        torch.cat([norm.bias for norm in norms]), True, norms[0].momentum,
                        norms[0].eps)
    for values, updated in zip(own, (mean, variance), strict=True):
        torch._foreach_copy_(values, updated.chunk(len(norms)))
    torch._foreach_add_([norm.num_batches_tracked for norm in norms], 1)
    return F.relu(maps, inplace=True)


def _stacked(weights: Sequence[Tensor]) -> Tensor:
    return weights[0] if len(weights) == 1 else torch.cat(list(weights))


def upsample(maps: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Maps [B, C, h, w] (raw outputs, features) resized bilinearly to `size` (H, W), in float32
    or float64.

    Computed as two matrix products, of which the gradient costs a tenth of `F.interpolate`'s.
    """
    resized = maps if maps.dtype == torch.float64 else maps.float()
    if tuple(size) == maps.shape[-2:]:
        return resized
    with torch.autocast(maps.device.type, enabled=False):
        rows, columns = (_interpolation(length, target, align_corners, resized.dtype, maps.device)
                         for length, target in zip(maps.shape[-2:], size, strict=True))
        return rows.T @ (resized @ columns)


@cache
def _interpolation(length: int, target: int, align_corners: bool, dtype: torch.dtype,
                   device: torch.device) -> Tensor:
    """The matrix [length, target] of linear interpolation from `length` values to `target`."""
    unit = torch.eye(length, dtype=dtype, device=device)
    return F.interpolate(unit[None], target, mode="linear", align_corners=align_corners)[0]
