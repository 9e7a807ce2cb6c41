"""Plain vision transformers as backbones: one resolution throughout, brought to another stride."""

from __future__ import annotations

from typing import Any, cast

from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

QUARTERS = 4
"""Stages of a plain transformer: its blocks in as many equal parts."""


class PlainTransformer(nn.Module):
    """The patch tokens [B, C, h, w] of a transformer of timm after each quarter of its blocks.

    Class and register tokens are left out, the final norm is applied to every stage, as for dense
    heads on frozen features (DINOv2, Oquab et al. 2024). Images of any size: their last row and
    column are repeated up to whole patches, positions are interpolated.
    """

    def __init__(self, model: nn.Module, stages: int) -> None:
        """`model` as timm makes it without a classifier; blocks beyond `stages` are removed."""
        super().__init__()
        self.model = body = cast(Any, model)
        blocks = len(body.blocks)
        self._ends = [max(blocks * quarter // QUARTERS, 1) - 1
                      for quarter in range(1, stages + 1)]
        body.prune_intermediate_layers(self._ends, prune_norm=False, prune_head=True)
        self.patch = int(body.feature_info[-1]["reduction"])

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, 3, H, W] to stages [B, C, ceil(H / `patch`), ceil(W / `patch`)]."""
        bottom, right = (-length % self.patch for length in images.shape[-2:])
        padded = F.pad(images, (0, right, 0, bottom), mode="replicate")
        stages: list[Tensor] = self.model.forward_intermediates(
            padded, indices=self._ends, norm=True, output_fmt="NCHW", intermediates_only=True)
        return stages


class SimplePyramid(nn.Module):
    """The level of ViTDet's simple feature pyramid (Li et al. 2022) at half the patch's stride: a
    2x2 transposed convolution, then a 1x1 and a 3x3 one, each followed by a layer norm
    over channels."""

    width = 256

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(channels, channels // 2, 2, 2)
        self.reduce = nn.Conv2d(channels // 2, self.width, 1, bias=False)
        self.reduce_norm = LayerNorm2d(self.width)
        self.smooth = nn.Conv2d(self.width, self.width, 3, padding=1, bias=False)
        self.smooth_norm = LayerNorm2d(self.width)

    def forward(self, features: Tensor) -> Tensor:
        """[B, channels, h, w] to [B, 256, 2h, 2w]."""
        reduced = self.reduce_norm(self.reduce(self.enlarge(features)))
        smoothed: Tensor = self.smooth_norm(self.smooth(reduced))
        return smoothed
