"""The surface at a point: which way it faces, what it reflects and what it emits there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import CYLINDER, ROOM, SPHERE, Batch
from benchmark.data.sources.rooms.texture import texture
from benchmark.data.sources.rooms.vec import Vec

Rule = Callable[[Tensor, Vec, Vec], tuple[Vec, Vec]]
"""From shape, place in half extents and ray, all in the body's frame, to the normal there and
to 1 along the axes in which a texture runs (0 across a flat face)."""


@dataclass(frozen=True)
class Look:
    """Surfaces at points of any one shape."""

    normal: Vec
    """Unit length, in the world, out of the body (into the room for its walls)."""
    albedo: Vec
    """Linear reflectance."""
    glow: Tensor
    """Emitted light, in multiples of the albedo."""

    def planes(self) -> tuple[Tensor, ...]:
        """All its fields one after the other."""
        normal, albedo = self.normal, self.albedo
        return normal.x, normal.y, normal.z, albedo.x, albedo.y, albedo.z, self.glow


def look_of(planes: tuple[Tensor, ...] | list[Tensor]) -> Look:
    """The inverse of `Look.planes`."""
    return Look(Vec(*planes[:3]), Vec(*planes[3:6]), planes[6])


def describe(batch: Batch, position: Vec, ray: Vec, hit: Tensor) -> Look:
    """The surfaces `hit` (image * B + body) at `position` from the camera, all [R, C].

    ray is the direction the points are seen along, of any length. Rows that lie on one body as
    a whole look its properties up once; the points of all others do so one by one.
    """
    planes = [torch.empty_like(position.x) for _ in range(7)]
    fields = (position.x, position.y, position.z, ray.x, ray.y, ray.z)
    shape, = batch.at(hit, "shape")
    pure = (hit == hit[:, :1]).all(1)
    for rule, member in ((_face, shape < SPHERE), (_round, shape >= SPHERE)):
        rows = torch.nonzero(pure & member[:, 0])[:, 0]
        points = torch.nonzero((member & ~pure[:, None]).view(-1))[:, 0]
        for chosen, form in ((rows, hit.shape), (points, (-1, 1))):
            here = [field.reshape(form).index_select(0, chosen) for field in fields]
            seen = hit.reshape(form)[:, 0].index_select(0, chosen)
            look = _describe_rows(batch, Vec(*here[:3]), Vec(*here[3:]), seen, rule)
            for plane, found in zip(planes, look.planes(), strict=True):
                plane.view(form).index_copy_(0, chosen, found.expand_as(here[0]))
    return look_of(planes)


def _describe_rows(batch: Batch, position: Vec, ray: Vec, hit: Tensor, rule: Rule) -> Look:
    """position and ray [R, C], hit [R]."""
    shape, cos, sin, cx, cy, cz, hx, hy, hz, frequency, px, py, pz, glow = (
        column[:, None] for column in batch.at(
            hit, "shape", "cos", "sin", "cx", "cy", "cz", "hx", "hy", "hz",
            "frequency", "px", "py", "pz", "glow"))
    local = (position - Vec(cx, cy, cz)).into(cos, sin)
    reach = Vec(local.x / hx, local.y / hy, local.z / hz)
    normal, along = rule(shape, reach, ray.into(cos, sin))
    place = Vec(px, py, pz).plus(local, frequency)
    material, slant = batch.at(hit, "material", "slant")
    share = texture(material, slant,
                    Vec(place.x * along.x, place.y * along.y, place.z * along.z))
    r1, g1, b1, r2, g2, b2 = (
        column[:, None] for column in batch.at(hit, "r1", "g1", "b1", "r2", "g2", "b2"))
    albedo = Vec(r1, g1, b1).plus(Vec(r2 - r1, g2 - g1, b2 - b1), share)
    return Look(normal.out_of(cos, sin), albedo, glow)


def _face(shape: Tensor, reach: Vec, ray: Vec) -> tuple[Vec, Vec]:
    """Of boxes, and of the room, a box seen from inside."""
    # Close to an edge rounding may favour a face that the ray cannot have met: it does not count.
    inside = shape == ROOM
    x, y, z = (at.abs() * ((at * to < 0) ^ inside) for at, to in
               ((reach.x, ray.x), (reach.y, ray.y), (reach.z, ray.z)))
    on_z = z >= torch.maximum(x, y)
    on_x = (x >= y) & ~on_z
    chosen = Vec(on_x, ~(on_x | on_z), on_z).map(lambda on: on.to(reach.x.dtype))
    side = torch.where(inside, -1.0, 1.0)
    normal = Vec(*(torch.copysign(on, at) * side for on, at in
                   ((chosen.x, reach.x), (chosen.y, reach.y), (chosen.z, reach.z))))
    return normal, chosen.map(lambda on: 1 - on)


def _round(shape: Tensor, reach: Vec, ray: Vec) -> tuple[Vec, Vec]:
    """Of spheres and of the sides and caps of cylinders."""
    flat = reach.x * reach.x + reach.y * reach.y
    upright = reach.z * reach.z
    can = shape == CYLINDER
    cap, side = can & (upright >= flat), can & (upright < flat)
    normal = Vec(torch.where(cap, 0.0, reach.x), torch.where(cap, 0.0, reach.y),
                 torch.where(side, 0.0, reach.z)).unit()
    one = torch.ones_like(reach.x)
    return normal, Vec(one, one, (~cap).to(one.dtype))
