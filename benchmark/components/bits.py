"""Bits in bytes: masks that methods carry, eight entries to a byte."""

import torch
from torch import Tensor
from torch.nn import functional as F


def pack_bits(bits: Tensor) -> Tensor:
    """Bits [N] (bool) in bytes [ceil(N / 8)] (uint8), lowest bit first."""
    padded = F.pad(bits.to(torch.uint8), (0, -len(bits) % 8)).view(-1, 8)
    return (padded << _bit_positions(bits)).sum(1, dtype=torch.uint8)


def unpack_bits(packed: Tensor, count: int) -> Tensor:
    """The first `count` bits (bool) of bytes that `pack_bits` returned."""
    return (packed[:, None] >> _bit_positions(packed) & 1).flatten()[:count].bool()


def _bit_positions(tensor: Tensor) -> Tensor:
    """0 to 7, on the device of a tensor."""
    return torch.arange(8, dtype=torch.uint8, device=tensor.device)
