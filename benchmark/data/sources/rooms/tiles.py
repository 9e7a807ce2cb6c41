"""The image cut into tiles of rays, and which bodies may show in which tile."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import ABSENT, ROOM, Batch
from benchmark.data.sources.rooms.vec import Vec

SIDE = 8
"""Pixels along a tile; small enough to skip most bodies, large enough to be worth a row."""
SAMPLES = ((0.0, 0.0), (-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
"""Rays of a pixel, in pixels from its centre: the centre for labels, the others for colour."""
_NEAR = 0.02
_SIGNS = tuple((x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0))
_EDGES = tuple((a, b) for a in range(8) for b in range(a) if (a ^ b).bit_count() == 1)


@dataclass(frozen=True)
class Grid:
    """Tiles that cover an image, row by row; rays of a tile are [samples, pixels], flattened."""

    height: int
    width: int
    left: Tensor
    """[T] column of every tile's first pixel, from the optical axis."""
    top: Tensor
    """[T] row of every tile's first pixel, from the optical axis."""
    dx: Tensor
    """[S * P] column of every ray within its tile."""
    dy: Tensor
    """[S * P] row of every ray within its tile."""

    @property
    def shape(self) -> tuple[int, int]:
        """Tiles down and across."""
        return -(-self.height // SIDE), -(-self.width // SIDE)

    @property
    def tiles(self) -> int:
        return len(self.left)

    def image(self, tiled: Tensor) -> Tensor:
        """[N * T, P] put together as [N, H, W]."""
        down, across = self.shape
        whole = tiled.reshape(-1, down, across, SIDE, SIDE).transpose(2, 3)
        return whole.reshape(-1, down * SIDE, across * SIDE)[:, :self.height, :self.width]


def make_grid(height: int, width: int, device: torch.device) -> Grid:
    """The tiles of an image of `height` x `width` pixels."""
    tops = torch.arange(0, height, SIDE, device=device) - height / 2
    lefts = torch.arange(0, width, SIDE, device=device) - width / 2
    inside = torch.arange(SIDE, device=device) + 0.5
    shift = torch.tensor(SAMPLES, device=device)
    dx = shift[:, 0, None, None] + inside[None, None, :].expand(1, SIDE, SIDE)
    dy = shift[:, 1, None, None] + inside[None, :, None].expand(1, SIDE, SIDE)
    return Grid(height, width, left=lefts.repeat(len(tops)),
                top=tops.repeat_interleave(len(lefts)), dx=dx.reshape(-1), dy=dy.reshape(-1))


def corners(batch: Batch) -> Vec:
    """Corners of the box around every body, in the world, seen from the camera: [N, B, 8]."""
    sign = Vec(*torch.tensor(_SIGNS, device=batch.table.device).unbind(1))
    half = batch.vector("hx", "hy", "hz").map(lambda h: h[..., None])
    local = Vec(half.x * sign.x, half.y * sign.y, half.z * sign.z)
    cos, sin = batch.column("cos")[..., None], batch.column("sin")[..., None]
    return local.out_of(cos, sin) + batch.vector("cx", "cy", "cz").map(lambda c: c[..., None])


def to_camera(batch: Batch, points: Vec) -> Vec:
    """World vectors [N, ...] in the camera's frame: right, down, forward."""
    extra = (1,) * (points.x.dim() - 1)
    right, down, forward = (axis.map(lambda a: a.view(-1, *extra)) for axis in batch.axes)
    return Vec(points.dot(right), points.dot(down), points.dot(forward))


def visible_tiles(batch: Batch, grid: Grid) -> Tensor:
    """Whether the screen rectangle of a body meets a tile: bool [N, T, B], true if in doubt."""
    seen = to_camera(batch, corners(batch))
    first, second = (torch.tensor(ends, device=seen.x.device) for ends in zip(*_EDGES, strict=True))
    start, end = seen.at((..., first)), seen.at((..., second))
    # Where an edge of the box leaves the half space in front of the camera, it is cut there.
    share = ((_NEAR - start.z) / (end.z - start.z + 1e-20)).clamp(0, 1)
    cut = start + (end - start) * share
    points = Vec(*(torch.cat(pair, -1) for pair in
                   ((seen.x, cut.x), (seen.y, cut.y), (seen.z, cut.z))))
    ahead = points.z > _NEAR * 0.99
    scale = batch.focal[:, None, None] * grid.width / points.z
    x, y = points.x * scale, points.y * scale
    low, high = (torch.tensor(value, device=x.device) for value in (torch.inf, -torch.inf))
    left, top = (torch.where(ahead, at, low).amin(-1)[:, None] - 1 for at in (x, y))
    right, bottom = (torch.where(ahead, at, high).amax(-1)[:, None] + 1 for at in (x, y))
    tile_left, tile_top = grid.left[None, :, None], grid.top[None, :, None]
    shape = batch.column("shape")[:, None]
    return ((left < tile_left + SIDE) & (right > tile_left) & (top < tile_top + SIDE)
            & (bottom > tile_top) & (shape != ROOM) & (shape != ABSENT))
