"""The small default backbone: a residual network that two CPU cores train in seconds."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, basic block), dilated if asked."""

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
    """Stem 16 and blocks 32, 64, 64: stride 8, the last block dilated by 2."""

    widths = [32, 64, 64]

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
                         Block(16, 32, stride=2, dilation=1), Block(32, 64, stride=2, dilation=1),
                         Block(64, 64, stride=1, dilation=2))

    def forward(self, images: Tensor) -> list[Tensor]:
        """The features after each of the three blocks, at strides 4, 8 and 8."""
        features, found = images, []
        for layer in self:
            features = layer(features)
            if isinstance(layer, Block):
                found.append(features)
        return found
