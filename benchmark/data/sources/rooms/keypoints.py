"""Keypoints: the corners of the room and of large boxes that the camera sees."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import WALL, Batch
from benchmark.data.sources.rooms.solids import SOLIDS, blocked
from benchmark.data.sources.rooms.tiles import corners, to_camera
from benchmark.data.sources.rooms.vec import Vec

_REACH = 3
"""Standard deviations after which heat is cut to zero."""


def heat(batch: Batch, height: int, width: int) -> Tensor:
    """Gaussian heat in [0, 1] around every visible corner, the largest winning: [N, H, W]."""
    world = corners(batch)
    camera = to_camera(batch, world)
    scale = batch.focal[:, None, None] * width / camera.z
    x, y = camera.x * scale + width / 2, camera.y * scale + height / 2
    wanted = batch.column("corners") > 0
    wanted[:, WALL] = True
    shown = ((camera.z > 0) & (x > 0) & (x < width) & (y > 0) & (y < height)
             & wanted[:, :, None])
    image = torch.nonzero(shown)[:, 0]
    seen = _visible(batch, world.map(lambda w: w[shown]), image)
    return _splat(image[seen], x[shown][seen], y[shown][seen], (batch.count, height, width))


def _visible(batch: Batch, points: Vec, image: Tensor) -> Tensor:
    """Whether no body of its image stands between the camera and a point: bool [M]."""
    cos, sin, shape = (batch.column(name)[image] for name in ("cos", "sin", "shape"))
    middle = batch.vector("cx", "cy", "cz").map(lambda c: c[image])
    half = batch.vector("hx", "hy", "hz").map(lambda h: h[image])
    ray = points.map(lambda p: p[:, None]).into(cos, sin)
    origin = (middle * -1.0).into(cos, sin)
    hidden = torch.zeros(len(image), dtype=torch.bool, device=image.device)
    for code, solid in SOLIDS.items():
        hidden |= (blocked(*solid(origin, ray, half)) & (shape == code)).any(1)
    return ~hidden


def _splat(image: Tensor, x: Tensor, y: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Gaussians around the points (x, y) [M] of every image, cut off at `_REACH`."""
    count, height, width = shape
    spread = max(1.0, width / 50)
    reach = round(_REACH * spread)
    near = torch.arange(-reach, reach + 1, device=x.device)
    column = x.floor().long()[:, None, None] + near
    row = y.floor().long()[:, None, None] + near[:, None]
    square = (column + 0.5 - x[:, None, None]) ** 2 + (row + 0.5 - y[:, None, None]) ** 2
    value = torch.exp(square / (-2 * spread * spread))
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = (image[:, None, None] * height + row) * width + column
    canvas = torch.zeros(count * height * width, device=x.device)
    canvas.scatter_reduce_(0, place[inside], value[inside], "amax")
    return canvas.view(shape)
