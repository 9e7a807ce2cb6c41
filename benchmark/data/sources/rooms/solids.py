"""Where a ray runs inside a box, a sphere or a cylinder, each at the origin of its own frame.

A ray is origin + t * direction; an interval of t whose end comes before its start is empty.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import BOX, CYLINDER, SPHERE
from benchmark.data.sources.rooms.vec import Vec

Interval = tuple[Tensor, Tensor]

TINY = 1e-20
"""Keeps the reciprocal of a component that is exactly zero finite."""
_SKIN = 2e-3
"""Share of a ray's length at both ends in which nothing can stand in its way."""


def slab(origin: Tensor, direction: Tensor, half: Tensor) -> Interval:
    """Where a ray is within `half` of the origin of one axis."""
    inverse = torch.reciprocal(direction + TINY)
    middle, reach = -origin * inverse, half * inverse.abs()
    return middle - reach, middle + reach


def _meet(first: Interval, second: Interval) -> Interval:
    return torch.maximum(first[0], second[0]), torch.minimum(first[1], second[1])


def box(origin: Vec, direction: Vec, half: Vec) -> Interval:
    """Where a ray is inside a box."""
    flat = _meet(slab(origin.x, direction.x, half.x), slab(origin.y, direction.y, half.y))
    return _meet(flat, slab(origin.z, direction.z, half.z))


def _around(square: Tensor, along: Tensor, distance: Tensor, radius: Tensor) -> Interval:
    """The chord around the nearest point, given its squared distance to the middle."""
    room = radius * radius - distance
    reach = torch.sqrt(room.clamp(min=0) / square)
    start = torch.where(room > 0, along - reach, torch.inf)
    return start, along + reach


def sphere(origin: Vec, direction: Vec, half: Vec) -> Interval:
    """Where a ray is inside a sphere."""
    square = direction.dot(direction) + TINY
    along = -origin.dot(direction) / square
    # From the nearest point, not from b^2 - 4ac: far, small spheres would drown in rounding.
    nearest = origin.plus(direction, along)
    return _around(square, along, nearest.dot(nearest), half.x)


def cylinder(origin: Vec, direction: Vec, half: Vec) -> Interval:
    """Where a ray is inside an upright cylinder."""
    square = torch.addcmul(direction.x * direction.x, direction.y, direction.y) + TINY
    along = -torch.addcmul(origin.x * direction.x, origin.y, direction.y) / square
    x = torch.addcmul(origin.x, direction.x, along)
    y = torch.addcmul(origin.y, direction.y, along)
    side = _around(square, along, torch.addcmul(x * x, y, y), half.x)
    return _meet(side, slab(origin.z, direction.z, half.z))


SOLIDS = {BOX: box, SPHERE: sphere, CYLINDER: cylinder}


def blocked(start: Tensor, end: Tensor) -> Tensor:
    """Whether the stretch between the two ends of a ray (t = 0 and 1) meets [start, end]."""
    return (start < end) & (end > _SKIN) & (start < 1 - _SKIN)
