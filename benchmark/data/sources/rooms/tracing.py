"""Tiles of camera rays, the surfaces that they hit first, and the points that a light reaches.

Camera rays have a forward component of one, so that their parameter t is the z-depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import CEILING, FLOOR, WALL, SceneBatch, corners, to_camera
from benchmark.data.sources.rooms.geometry import (
    ABSENT,
    BOX,
    CYLINDER,
    ROOM,
    SOLIDS,
    TINY,
    Vec,
    blocked,
)

SIDE = 8
"""Pixels along a tile: small enough to skip most bodies, large enough to outweigh a call."""
SAMPLES = ((0.0, 0.0), (-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
"""Rays of a pixel, in pixels from its centre: the centre for labels, the others for colour."""
_NEAR = 0.02
"""Distance before the camera, in metres, at which boxes that cross its plane are cut."""
_EDGES = tuple((a, b) for a in range(8) for b in range(a) if (a ^ b).bit_count() == 1)


@dataclass(frozen=True)
class TileGrid:
    """T tiles that cover an image, row by row; each has S * P rays: S samples of P pixels."""

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
        """Number of tiles down and across."""
        return -(-self.height // SIDE), -(-self.width // SIDE)

    @property
    def tiles(self) -> int:
        return len(self.left)

    def image(self, tiled: Tensor) -> Tensor:
        """Join the tiles [N * T, P] of N images to [N, H, W]."""
        down, across = self.shape
        whole = tiled.reshape(-1, down, across, SIDE, SIDE).transpose(2, 3)
        return whole.reshape(-1, down * SIDE, across * SIDE)[:, :self.height, :self.width]


def make_grid(height: int, width: int, device: torch.device) -> TileGrid:
    """Divide an image of `height` x `width` pixels into tiles."""
    tops = torch.arange(0, height, SIDE, device=device) - height / 2
    lefts = torch.arange(0, width, SIDE, device=device) - width / 2
    inside = torch.arange(SIDE, device=device) + 0.5
    shift = torch.tensor(SAMPLES, device=device)
    dx = shift[:, 0, None, None] + inside[None, None, :].expand(1, SIDE, SIDE)
    dy = shift[:, 1, None, None] + inside[None, :, None].expand(1, SIDE, SIDE)
    return TileGrid(height, width, left=lefts.repeat(len(tops)),
                top=tops.repeat_interleave(len(lefts)), dx=dx.reshape(-1), dy=dy.reshape(-1))


def visible_tiles(batch: SceneBatch, grid: TileGrid) -> Tensor:
    """Return whether a body may show in a tile: bool [N, T, B], true when in doubt.

    Tested is the rectangle on the screen around the box around the body.
    """
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


def first_hit(batch: SceneBatch, grid: TileGrid, rays: Vec) -> tuple[Tensor, Tensor]:
    """Return the z-depth in metres and the body (image * B + body) that `rays` hit first.

    Both are [N * T, S * P].
    """
    rows = batch.count * grid.tiles
    may = visible_tiles(batch, grid).view(rows, batch.bodies)
    depth, hit = _room(batch, grid, rays)
    pair_row, pair_body = torch.nonzero(may, as_tuple=True)
    distance = _pair_distance(batch, grid, pair_row, pair_body)
    rank = may.cumsum(1)[pair_row, pair_body]
    index = _global(batch, grid, pair_row, pair_body)
    for group in range(1, int(rank.max()) + 1 if len(rank) else 1):
        members = torch.nonzero(rank == group)[:, 0]
        row = pair_row[members]
        near, before = distance.index_select(0, members), depth.index_select(0, row)
        hit[row] = torch.where(near < before, index[members, None], hit.index_select(0, row))
        depth[row] = torch.minimum(near, before)
    return depth, hit


def _global(batch: SceneBatch, grid: TileGrid, row: Tensor, body: Tensor) -> Tensor:
    return row // grid.tiles * batch.bodies + body


def _rays(axes: tuple[Vec, Vec, Vec], grid: TileGrid, tile: Tensor) -> Vec:
    """Directions [R, S * P] of all rays of the tiles `tile` [R], in the frame of `axes` [R]."""
    right, down, forward = axes
    corner = forward + right * grid.left[tile] + down * grid.top[tile]

    def spread(start: Tensor, by_x: Tensor, by_y: Tensor) -> Tensor:
        row = torch.addcmul(start[:, None], by_x[:, None], grid.dx)
        return torch.addcmul(row, by_y[:, None], grid.dy)

    return Vec(spread(corner.x, right.x, down.x), spread(corner.y, right.y, down.y),
               spread(corner.z, right.z, down.z))


def _pixel_axes(batch: SceneBatch, grid: TileGrid) -> tuple[Vec, Vec, Vec]:
    """Change of a ray's direction per pixel to the right and down, and the optical axis: [N]."""
    right, down, forward = batch.axes
    scale = 1 / (batch.focal * grid.width)
    return right * scale, down * scale, forward


def camera_rays(batch: SceneBatch, grid: TileGrid) -> Vec:
    """Return the world directions of all rays: [N * T, S * P]."""
    rows = torch.arange(batch.count, device=grid.left.device).repeat_interleave(grid.tiles)
    right, down, forward = _pixel_axes(batch, grid)
    tile = torch.arange(grid.tiles, device=grid.left.device).repeat(batch.count)
    return _rays((right.at(rows), down.at(rows), forward.at(rows)), grid, tile)


def _room(batch: SceneBatch, grid: TileGrid, rays: Vec) -> tuple[Tensor, Tensor]:
    """Depth and body that rays hit in the empty room."""
    index = _row_bodies(batch, grid, WALL)
    centre = Vec(*(c[:, None] for c in batch.at(index, "cx", "cy", "cz")))
    half = Vec(*(h[:, None] for h in batch.at(index, "hx", "hy", "hz")))
    return leave_room(rays, centre * -1.0, half, index[:, None])


def _row_bodies(batch: SceneBatch, grid: TileGrid, body: int) -> Tensor:
    image = torch.arange(batch.count, device=grid.left.device)
    return (image * batch.bodies + body).repeat_interleave(grid.tiles)


def leave_room(direction: Vec, origin: Vec, half: Vec, wall: Tensor) -> tuple[Tensor, Tensor]:
    """Return where rays from inside the room hit it: t, and wall, floor or ceiling.

    `wall` is the index of the room's walls in the batch (image * B + WALL).
    """
    across = torch.minimum(_leave(origin.x, direction.x, half.x),
                           _leave(origin.y, direction.y, half.y))
    upright = _leave(origin.z, direction.z, half.z)
    level = torch.where(direction.z > 0, wall + CEILING, wall + FLOOR)
    return torch.minimum(across, upright), torch.where(upright < across, level, wall)


def _leave(origin: Tensor, direction: Tensor, half: Tensor) -> Tensor:
    """The end of `slab` alone, at half its cost."""
    return (torch.copysign(half, direction) - origin) / (direction + TINY)


def _pair_distance(batch: SceneBatch, grid: TileGrid, row: Tensor, body: Tensor) -> Tensor:
    """Depth at which the rays of tile `row` enter `body`, infinite if they miss: [R, S * P]."""
    distance = torch.empty(len(row), len(grid.dx), device=row.device)
    index = _global(batch, grid, row, body)
    shape, = batch.at(index, "shape")
    right, down, forward = _pixel_axes(batch, grid)
    for code, solid in SOLIDS.items():
        members = torch.nonzero(shape == code)[:, 0]
        chosen, image = index[members], row[members] // grid.tiles
        cos, sin, cx, cy, cz, hx, hy, hz = batch.at(
            chosen, "cos", "sin", "cx", "cy", "cz", "hx", "hy", "hz")
        local = (right.at(image).into(cos, sin), down.at(image).into(cos, sin),
                 forward.at(image).into(cos, sin))
        direction = _rays(local, grid, row[members] % grid.tiles)
        origin = (Vec(cx, cy, cz) * -1.0).into(cos, sin).map(lambda o: o[:, None])
        start, end = solid(origin, direction, Vec(hx[:, None], hy[:, None], hz[:, None]))
        distance[members] = torch.where((start < end) & (start > 0), start, torch.inf)
    return distance


def lit(batch: SceneBatch, grid: TileGrid, points: Vec, light: Vec) -> Tensor:
    """Return 1 where `points` [N * T, P] see their image's `light` [N], else 0: [N * T, P]."""
    row, body = torch.nonzero(_may_shade(batch, grid, points, light), as_tuple=True)
    index = torch.div(row, grid.tiles, rounding_mode="floor") * batch.bodies + body
    shape, = batch.at(index, "shape")
    target = light.map(lambda p: p.repeat_interleave(grid.tiles))
    dark = torch.zeros_like(points.x, dtype=torch.bool)
    for code, solid in SOLIDS.items():
        chosen = torch.nonzero(shape == code)[:, 0]
        rows = row[chosen]
        cos, sin, cx, cy, cz, hx, hy, hz = (column[:, None] for column in batch.at(
            index[chosen], "cos", "sin", "cx", "cy", "cz", "hx", "hy", "hz"))
        centre = Vec(cx, cy, cz)
        origin = (_take(points, rows) - centre).into(cos, sin)
        goal = (_take(target, rows).map(lambda p: p[:, None]) - centre).into(cos, sin)
        hides = blocked(*solid(origin, goal - origin, Vec(hx, hy, hz)))
        # A row has many bodies: any of them is enough, in whatever order they are written.
        member = torch.nonzero(hides)
        dark[rows[member[:, 0]], member[:, 1]] = True
    return (~dark).to(points.x.dtype)


def _take(field: Vec, rows: Tensor) -> Vec:
    return field.map(lambda f: f.index_select(0, rows))


def _may_shade(batch: SceneBatch, grid: TileGrid, points: Vec, light: Vec) -> Tensor:
    """Whether a body may stand between a tile's points and the light: bool [N * T, B].

    The tile's points lie in a ball; the convex hull of that ball and the light is tested against
    the ball around the body, with a margin.
    """
    low = points.map(lambda p: p.amin(1))
    high = points.map(lambda p: p.amax(1))
    middle, spread = (low + high) * 0.5, (high - low) * 0.5
    ball = torch.sqrt(spread.dot(spread))[:, None]
    names = ("cx", "cy", "cz", "hx", "hy", "hz", "shape")
    cx, cy, cz, hx, hy, hz, shape = (batch.column(name).repeat_interleave(grid.tiles, 0)
                                     for name in names)
    source = light.map(lambda p: p.repeat_interleave(grid.tiles)[:, None])
    way = middle.map(lambda m: m[:, None]) - source
    centre = Vec(cx, cy, cz) - source
    share = (centre.dot(way) / (way.dot(way) + TINY)).clamp(0, 1)
    miss = centre - way * share
    reach = ball * 1.01 + torch.sqrt(hx * hx + hy * hy + hz * hz)
    return (miss.dot(miss) < reach * reach) & (shape >= BOX) & (shape <= CYLINDER)
