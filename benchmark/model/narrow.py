"""The default backbone: a residual network small enough for two CPU cores."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


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
    strides = [4, 8, 8]

    def __init__(self, stages: int = 3) -> None:
        blocks = [ResidualBlock(16, 32, stride=2, dilation=1),
                  ResidualBlock(32, 64, stride=2, dilation=1),
                  ResidualBlock(64, 64, stride=1, dilation=2)]
        super().__init__(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
                         *blocks[:stages])

    def forward(self, images: Tensor) -> list[Tensor]:
        """The features after each block, at strides 4, 8 and 8."""
        features, stages = images, []
        for layer in self:
            features = layer(features)
            if isinstance(layer, ResidualBlock):
                stages.append(features)
        return stages
