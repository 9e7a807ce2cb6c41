"""Camera rays and what they hit first; their forward component is one, so that t is z-depth."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import CEILING, FLOOR, WALL, Batch
from benchmark.data.sources.rooms.solids import SOLIDS, TINY
from benchmark.data.sources.rooms.tiles import Grid, visible_tiles
from benchmark.data.sources.rooms.vec import Vec


def first_hit(batch: Batch, grid: Grid, rays: Vec) -> tuple[Tensor, Tensor]:
    """What `rays` see: z-depth in metres and `image * B + body`, both [N * T, S * P]."""
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


def _global(batch: Batch, grid: Grid, row: Tensor, body: Tensor) -> Tensor:
    return row // grid.tiles * batch.bodies + body


def _rays(axes: tuple[Vec, Vec, Vec], grid: Grid, tile: Tensor) -> Vec:
    """Directions of all rays of `tile` [R], in the frame of the per-row axes: [R, S * P]."""
    right, down, forward = axes
    corner = forward + right * grid.left[tile] + down * grid.top[tile]

    def spread(start: Tensor, by_x: Tensor, by_y: Tensor) -> Tensor:
        row = torch.addcmul(start[:, None], by_x[:, None], grid.dx)
        return torch.addcmul(row, by_y[:, None], grid.dy)

    return Vec(spread(corner.x, right.x, down.x), spread(corner.y, right.y, down.y),
               spread(corner.z, right.z, down.z))


def _pixel_axes(batch: Batch, grid: Grid) -> tuple[Vec, Vec, Vec]:
    """Change of a ray's direction per pixel to the right and down, and the optical axis: [N]."""
    right, down, forward = batch.axes
    scale = 1 / (batch.focal * grid.width)
    return right * scale, down * scale, forward


def camera_rays(batch: Batch, grid: Grid) -> Vec:
    """World directions of all rays: [N * T, S * P]."""
    rows = torch.arange(batch.count, device=grid.left.device).repeat_interleave(grid.tiles)
    right, down, forward = _pixel_axes(batch, grid)
    tile = torch.arange(grid.tiles, device=grid.left.device).repeat(batch.count)
    return _rays((right.at(rows), down.at(rows), forward.at(rows)), grid, tile)


def _room(batch: Batch, grid: Grid, rays: Vec) -> tuple[Tensor, Tensor]:
    """Depth and surface of the empty room."""
    index = _row_bodies(batch, grid, WALL)
    centre = Vec(*(c[:, None] for c in batch.at(index, "cx", "cy", "cz")))
    half = Vec(*(h[:, None] for h in batch.at(index, "hx", "hy", "hz")))
    return leave_room(rays, centre * -1.0, half, index[:, None])


def _row_bodies(batch: Batch, grid: Grid, body: int) -> Tensor:
    image = torch.arange(batch.count, device=grid.left.device)
    return (image * batch.bodies + body).repeat_interleave(grid.tiles)


def leave_room(direction: Vec, origin: Vec, half: Vec, wall: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays from inside the room end: t and row of the table, given the row of the walls."""
    across = torch.minimum(_leave(origin.x, direction.x, half.x),
                           _leave(origin.y, direction.y, half.y))
    upright = _leave(origin.z, direction.z, half.z)
    level = torch.where(direction.z > 0, wall + CEILING, wall + FLOOR)
    return torch.minimum(across, upright), torch.where(upright < across, level, wall)


def _leave(origin: Tensor, direction: Tensor, half: Tensor) -> Tensor:
    """The end of `slab` alone, at half its price."""
    return (torch.copysign(half, direction) - origin) / (direction + TINY)


def _pair_distance(batch: Batch, grid: Grid, row: Tensor, body: Tensor) -> Tensor:
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
