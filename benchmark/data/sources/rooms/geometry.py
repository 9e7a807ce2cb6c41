"""Vectors as three tensors, and where rays run inside a box, a sphere or a cylinder.

A ray is origin + t * direction, in the frame of the solid it is intersected with.

Every operation is element by element, so that an image's bits do not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, addcmul

Interval = tuple[Tensor, Tensor]
"""Values of t at which rays enter and leave a solid; empty where the end precedes the start."""

ROOM, BOX, SPHERE, CYLINDER, ABSENT = range(5)
"""Codes of shapes in a `Batch`."""

TINY = 1e-20
"""Keeps the reciprocal of a component that is exactly zero finite."""
_SKIN = 2e-3
"""Share of a ray's length at both ends in which nothing blocks it."""


@dataclass(frozen=True, slots=True)
class Vec:
    """Vectors, one tensor per component; the three have the same shape or broadcast."""

    x: Tensor
    y: Tensor
    z: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> Vec:
        """Apply `change` to every component."""
        return Vec(change(self.x), change(self.y), change(self.z))

    def at(self, index: Any) -> Vec:
        """Return the vectors at `index`, which indexes each component alike."""
        return Vec(self.x[index], self.y[index], self.z[index])

    def __add__(self, other: Vec) -> Vec:
        return Vec(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other: Vec) -> Vec:
        return Vec(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, scale: Tensor | float) -> Vec:
        return Vec(self.x * scale, self.y * scale, self.z * scale)

    def plus(self, other: Vec, scale: Tensor) -> Vec:
        """Return self + other * scale, in one pass over memory."""
        return Vec(addcmul(self.x, other.x, scale), addcmul(self.y, other.y, scale),
                   addcmul(self.z, other.z, scale))

    def dot(self, other: Vec) -> Tensor:
        """Return the inner product."""
        return addcmul(addcmul(self.x * other.x, self.y, other.y), self.z, other.z)

    def unit(self) -> Vec:
        """Return the same directions at length one."""
        return self * torch.rsqrt(self.dot(self))

    def into(self, cos: Tensor, sin: Tensor) -> Vec:
        """Return the coordinates in a frame turned by (cos, sin) about the vertical."""
        return Vec(addcmul(cos * self.x, sin, self.y), addcmul(cos * self.y, -sin, self.x), self.z)

    def out_of(self, cos: Tensor, sin: Tensor) -> Vec:
        """Return the coordinates outside a frame turned by (cos, sin); the inverse of `into`."""
        return Vec(addcmul(cos * self.x, -sin, self.y), addcmul(cos * self.y, sin, self.x), self.z)

    def stack(self, dim: int) -> Tensor:
        """Stack the components along a new dimension `dim`."""
        return torch.stack((self.x, self.y, self.z), dim)


def slab(origin: Tensor, direction: Tensor, half: Tensor) -> Interval:
    """Interval in which a ray is within `half` of the origin along one axis."""
    inverse = torch.reciprocal(direction + TINY)
    middle, reach = -origin * inverse, half * inverse.abs()
    return middle - reach, middle + reach


def _intersect(first: Interval, second: Interval) -> Interval:
    return torch.maximum(first[0], second[0]), torch.minimum(first[1], second[1])


def box(origin: Vec, direction: Vec, half: Vec) -> Interval:
    """Interval in which a ray is inside a box."""
    flat = _intersect(slab(origin.x, direction.x, half.x), slab(origin.y, direction.y, half.y))
    return _intersect(flat, slab(origin.z, direction.z, half.z))


def _around(square: Tensor, along: Tensor, distance: Tensor, radius: Tensor) -> Interval:
    """Interval of the chord around the nearest point, at squared `distance` to the middle."""
    room = radius * radius - distance
    reach = torch.sqrt(room.clamp(min=0) / square)
    start = torch.where(room > 0, along - reach, torch.inf)
    return start, along + reach


def sphere(origin: Vec, direction: Vec, half: Vec) -> Interval:
    """Interval in which a ray is inside a sphere."""
    square = direction.dot(direction) + TINY
    along = -origin.dot(direction) / square
    # From the nearest point, not from b^2 - 4ac: far, small spheres would drown in rounding.
    nearest = origin.plus(direction, along)
    return _around(square, along, nearest.dot(nearest), half.x)


def cylinder(origin: Vec, direction: Vec, half: Vec) -> Interval:
    """Interval in which a ray is inside an upright cylinder."""
    square = torch.addcmul(direction.x * direction.x, direction.y, direction.y) + TINY
    along = -torch.addcmul(origin.x * direction.x, origin.y, direction.y) / square
    x = torch.addcmul(origin.x, direction.x, along)
    y = torch.addcmul(origin.y, direction.y, along)
    side = _around(square, along, torch.addcmul(x * x, y, y), half.x)
    return _intersect(side, slab(origin.z, direction.z, half.z))


SOLIDS = {BOX: box, SPHERE: sphere, CYLINDER: cylinder}


def blocked(start: Tensor, end: Tensor) -> Tensor:
    """Return whether a ray between t = 0 and t = 1 meets the interval [start, end]: bool."""
    return (start < end) & (end > _SKIN) & (start < 1 - _SKIN)
