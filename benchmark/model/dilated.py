"""Dilated convolutions of maps that are small for their dilation, as those of a head's pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def dilated_convolution(features: Tensor, weight: Tensor, dilation: int) -> Tensor:
    """Convolution of [B, C, h, w] with a kernel of odd size, padded so that it gives [B, C', h, w].

    Rows and columns of the kernel that lie in the padding at every position are left out. Where a
    dilated kernel is still larger than the map, oneDNN has no fast gradient of the weight, which is
    then one matrix product per tap of the kernel (on the CPU; not measured elsewhere).
    """
    height, width = features.shape[-2:]
    rows, columns = (slice(None) if size == 1 or dilation < length else slice(size // 2,
                                                                              size // 2 + 1)
                     for size, length in zip(weight.shape[-2:], (height, width), strict=True))
    if rows != slice(None) or columns != slice(None):
        weight = weight[:, :, rows, columns]
    padding = _padding(weight, dilation)
    if features.is_cpu and (2 * padding[0] >= height or 2 * padding[1] >= width):
        by_taps: Tensor = _ByTaps.apply(features, weight.to(features.dtype), dilation)
        return by_taps
    return F.conv2d(features, weight, padding=padding, dilation=dilation)


def _padding(weight: Tensor, dilation: int) -> list[int]:
    return [dilation * (size // 2) for size in weight.shape[-2:]]


class _ByTaps(torch.autograd.Function):
    """The convolution, with a gradient of the weight tap by tap."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.dilation = dilation
        return F.conv2d(features, weight, padding=_padding(weight, dilation), dilation=dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, weight = ctx.saved_tensors
        gradient = gradient.to(features.dtype)
        of_features = of_weight = None
        if ctx.needs_input_grad[0]:
            of_features = torch.ops.aten.convolution_backward(
                gradient, features, weight, None, [1, 1], _padding(weight, ctx.dilation),
                [ctx.dilation] * 2, False, [0, 0], 1, [True, False, False])[0]
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(features, gradient, weight.shape, ctx.dilation)
        return of_features, of_weight, None


def _weight_gradient(features: Tensor, gradient: Tensor, shape: Sequence[int],
                     dilation: int) -> Tensor:
    """For every tap, the product of the gradient with the features that the tap sees, over the
    positions at which it does not see padding."""
    pixels, seen = gradient.permute(0, 2, 3, 1), features.permute(0, 2, 3, 1)
    channels_out, channels_in, *kernel = shape
    found = features.new_empty(*kernel, channels_out, channels_in)
    for row in range(kernel[0]):
        to_rows, from_rows = _overlap(features.shape[-2], dilation * (row - kernel[0] // 2))
        for column in range(kernel[1]):
            to_columns, from_columns = _overlap(features.shape[-1],
                                                dilation * (column - kernel[1] // 2))
            torch.mm(pixels[:, to_rows, to_columns].reshape(-1, channels_out).T,
                     seen[:, from_rows, from_columns].reshape(-1, channels_in),
                     out=found[row, column])
    return found.permute(2, 3, 0, 1)


def _overlap(length: int, offset: int) -> tuple[slice, slice]:
    """The positions i for which i + offset lies in 0 ... length - 1, and those i + offset."""
    return (slice(max(0, -offset), length - max(0, offset)),
            slice(max(0, offset), length - max(0, -offset)))
