"""Vectors as three planes of numbers.

Every operation is element by element, so that an image's bits do not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, addcmul


@dataclass(frozen=True, slots=True)
class Vec:
    """A field of vectors; x, y and z have the same shape or broadcast."""

    x: Tensor
    y: Tensor
    z: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> Vec:
        """The same change on every component."""
        return Vec(change(self.x), change(self.y), change(self.z))

    def at(self, index: Any) -> Vec:
        """The vectors at an index of the planes."""
        return Vec(self.x[index], self.y[index], self.z[index])

    def __add__(self, other: Vec) -> Vec:
        return Vec(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other: Vec) -> Vec:
        return Vec(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, scale: Tensor | float) -> Vec:
        return Vec(self.x * scale, self.y * scale, self.z * scale)

    def plus(self, other: Vec, scale: Tensor) -> Vec:
        """self + other * scale, in one pass over the numbers."""
        return Vec(addcmul(self.x, other.x, scale), addcmul(self.y, other.y, scale),
                   addcmul(self.z, other.z, scale))

    def dot(self, other: Vec) -> Tensor:
        """The inner product."""
        return addcmul(addcmul(self.x * other.x, self.y, other.y), self.z, other.z)

    def unit(self) -> Vec:
        """The same directions at length one."""
        return self * torch.rsqrt(self.dot(self))

    def into(self, cos: Tensor, sin: Tensor) -> Vec:
        """Coordinates in a frame turned by (cos, sin) about the vertical."""
        return Vec(addcmul(cos * self.x, sin, self.y), addcmul(cos * self.y, -sin, self.x), self.z)

    def out_of(self, cos: Tensor, sin: Tensor) -> Vec:
        """Back from a frame turned by (cos, sin) about the vertical."""
        return Vec(addcmul(cos * self.x, -sin, self.y), addcmul(cos * self.y, sin, self.x), self.z)

    def stack(self, dim: int) -> Tensor:
        """One tensor with the components along `dim`."""
        return torch.stack((self.x, self.y, self.z), dim)
