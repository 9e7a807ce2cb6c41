"""Shadows: which points of the tiles see a light."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import BOX, CYLINDER, Batch
from benchmark.data.sources.rooms.solids import SOLIDS, TINY, blocked
from benchmark.data.sources.rooms.tiles import Grid
from benchmark.data.sources.rooms.vec import Vec


def lit(batch: Batch, grid: Grid, points: Vec, light: Vec) -> Tensor:
    """Whether `points` [N * T, P] see their image's `light` [N]: 1 or 0, [N * T, P]."""
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


def _may_shade(batch: Batch, grid: Grid, points: Vec, light: Vec) -> Tensor:
    """Whether a body can stand between a tile's points and the light: bool [N * T, B].

    The tile's points lie in a ball; the hull of ball and light is tested against the ball
    around the body, a little too generously.
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
