"""Surfaces at the points that rays hit, and the colours that lights give them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import WALL, SceneBatch
from benchmark.data.sources.rooms.geometry import CYLINDER, ROOM, SPHERE, Vec
from benchmark.data.sources.rooms.scene import MATERIALS, Scene
from benchmark.data.sources.rooms.tracing import leave_room

_FALLOFF = 0.4
"""Added to a light's squared distance, in m^2, so that nothing near it is overexposed."""

NormalRule = Callable[[Tensor, Vec, Vec], tuple[Vec, Vec]]
"""From the shape, the position in half extents and the ray, all in the body's frame, to the
normal there and to 1 along the axes in which a texture runs (0 across a flat face)."""


@dataclass(frozen=True)
class SurfacePoints:
    """Properties of surfaces at points; every component has the shape of the points."""

    normal: Vec
    """Unit length, in the world, out of the body (into the room for its walls)."""
    albedo: Vec
    """Linear reflectance."""
    glow: Tensor
    """Emitted light, in multiples of the albedo."""

    def tensors(self) -> tuple[Tensor, ...]:
        """Return all components: normal x, y, z, albedo x, y, z and glow."""
        normal, albedo = self.normal, self.albedo
        return normal.x, normal.y, normal.z, albedo.x, albedo.y, albedo.z, self.glow

    @classmethod
    def from_tensors(cls, tensors: Sequence[Tensor]) -> SurfacePoints:
        """Build from the components in the order of `tensors`."""
        return cls(Vec(*tensors[:3]), Vec(*tensors[3:6]), tensors[6])


def surface_points(batch: SceneBatch, position: Vec, ray: Vec, hit: Tensor) -> SurfacePoints:
    """Compute the surfaces of bodies `hit` (image * B + body) at `position`, all [R, C].

    `position` is relative to the camera; `ray` is the direction the points are seen along, of any
    length. Rows that lie on one body as a whole look its properties up once; the points of all
    others do so one by one.
    """
    tensors = [torch.empty_like(position.x) for _ in range(7)]
    fields = (position.x, position.y, position.z, ray.x, ray.y, ray.z)
    shape, = batch.at(hit, "shape")
    pure = (hit == hit[:, :1]).all(1)
    for rule, member in ((_face, shape < SPHERE), (_round, shape >= SPHERE)):
        rows = torch.nonzero(pure & member[:, 0])[:, 0]
        points = torch.nonzero((member & ~pure[:, None]).view(-1))[:, 0]
        for chosen, form in ((rows, hit.shape), (points, (-1, 1))):
            here = [field.reshape(form).index_select(0, chosen) for field in fields]
            seen = hit.reshape(form)[:, 0].index_select(0, chosen)
            surface = _points_of_rows(batch, Vec(*here[:3]), Vec(*here[3:]), seen, rule)
            for tensor, values in zip(tensors, surface.tensors(), strict=True):
                tensor.view(form).index_copy_(0, chosen, values.expand_as(here[0]))
    return SurfacePoints.from_tensors(tensors)


def _points_of_rows(batch: SceneBatch, position: Vec, ray: Vec, hit: Tensor,
                    rule: NormalRule) -> SurfacePoints:
    """Surfaces at `position` [R, C] seen along `ray` [R, C], row by row on one body `hit` [R]."""
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
    return SurfacePoints(normal.out_of(cos, sin), albedo, glow)


def _face(shape: Tensor, reach: Vec, ray: Vec) -> tuple[Vec, Vec]:
    """Normals of boxes, and of the room, a box seen from inside."""
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
    """Normals of spheres and of the sides and caps of cylinders."""
    flat = reach.x * reach.x + reach.y * reach.y
    upright = reach.z * reach.z
    can = shape == CYLINDER
    cap, side = can & (upright >= flat), can & (upright < flat)
    normal = Vec(torch.where(cap, 0.0, reach.x), torch.where(cap, 0.0, reach.y),
                 torch.where(side, 0.0, reach.z)).unit()
    one = torch.ones_like(reach.x)
    return normal, Vec(one, one, (~cap).to(one.dtype))


def texture(material: Tensor, slant: Tensor, place: Vec) -> Tensor:
    """Return the share of a surface's second colour in [0, 1], [R, C].

    `place` [R, C] is the position in periods of the texture; `material` and `slant` are [R]: all
    points of a row lie on one body.
    """
    share = torch.zeros_like(place.x)
    for code, name in enumerate(MATERIALS):
        if name in _PATTERNS:
            rows = torch.nonzero(material == code)[:, 0]
            share.index_copy_(0, rows, _PATTERNS[name](place.at(rows), slant[rows, None]))
    return share


def _checker(place: Vec, slant: Tensor) -> Tensor:
    x, y, z = (p - p.round() < 0 for p in (place.x, place.y, place.z))
    return (x ^ y ^ z).to(place.x.dtype)


def _dots(place: Vec, slant: Tensor) -> Tensor:
    fold = place.map(lambda p: p - p.round())
    return (fold.dot(fold) < 0.1).to(place.x.dtype)


def _stripes(place: Vec, slant: Tensor) -> Tensor:
    lean = _lean(place, slant)
    return (lean - lean.round() < 0).to(place.x.dtype)


def _wood(place: Vec, slant: Tensor) -> Tensor:
    bend = _wave(place.z * 0.13 + place.y * 0.17)
    return _wave(_lean(place, slant) * 0.7 + _warp(place) * 0.35 + bend * 0.8)


def _marble(place: Vec, slant: Tensor) -> Tensor:
    warp = _warp(place)
    return (_wave(place.x * 0.83 + warp * 0.9)
            * _wave(place.y * 0.71 + place.z * 0.9 - warp * 0.7))


_PATTERNS: dict[str, Callable[[Vec, Tensor], Tensor]] = {
    "checker": _checker, "stripes": _stripes, "wood": _wood, "marble": _marble, "dots": _dots}


def _lean(place: Vec, slant: Tensor) -> Tensor:
    return place.x + place.y + slant * place.z


def _warp(place: Vec) -> Tensor:
    return _wave(place.x * 0.37 + place.z * 0.61) + _wave(place.y * 0.43 - place.x * 0.29)


def _wave(phase: Tensor) -> Tensor:
    """A wave of period one between 0 and 1, made of parabolas."""
    fold = (phase - phase.round()) * 2
    return 1 - fold * fold


def radiance(batch: SceneBatch, position: Vec, hit: Tensor, surface: SurfacePoints,
             shadows: Sequence[Tensor]) -> Vec:
    """Return the linear colour that points [N * T, ...] reflect and emit.

    `hit` is the body (image * B + body) of every point, `surface` what it is like there;
    `shadows` holds, for each light, 1 where it reaches the point and 0 elsewhere.
    """
    normal, albedo = surface.normal, surface.albedo
    # A row of points belongs to one image.
    first = hit[(slice(None), *(slice(0, 1),) * (hit.dim() - 1))]
    image = torch.div(first, batch.bodies, rounding_mode="floor")
    sky = 0.75 + 0.25 * normal.z
    total = batch.ambient.map(lambda a: a[image] * sky + surface.glow)
    for (place, colour), free in zip(batch.lights, shadows, strict=True):
        strength = _strength(place.map(lambda p: p[image]) - position, normal) * free
        total = total.plus(colour.map(lambda c: c[image]), strength)
    return Vec(total.x * albedo.x, total.y * albedo.y, total.z * albedo.z)


def _strength(towards: Vec, normal: Vec) -> Tensor:
    """Irradiance of a light of unit colour: the cosine law with a softened inverse square."""
    square = towards.dot(towards)
    cosine = (normal.dot(towards) * torch.rsqrt(square)).clamp(min=0)
    return cosine / (square + _FALLOFF)


def reflect(batch: SceneBatch, colour: Vec, position: Vec, direction: Vec, hit: Tensor,
            normal: Vec) -> Vec:
    """Return `colour` with mirrors showing the empty room, all [N * T, S]."""
    if not bool((batch.column("mirror") > 0).any()):
        return colour
    mirror, = batch.at(hit, "mirror")
    where = torch.nonzero(mirror.reshape(-1))[:, 0]

    def pick(field: Vec) -> Vec:
        return field.map(lambda f: f.reshape(-1)[where, None])

    start, ray, axis = pick(position), pick(direction), pick(normal)
    ray = ray - axis * (2 * ray.dot(axis))
    image = torch.div(hit.reshape(-1)[where, None], batch.bodies, rounding_mode="floor")
    wall = image * batch.bodies + WALL
    cx, cy, cz, hx, hy, hz = batch.at(wall, "cx", "cy", "cz", "hx", "hy", "hz")
    far, seen = leave_room(ray, start - Vec(cx, cy, cz), Vec(hx, hy, hz), wall)
    end = start + ray * far
    lights = [torch.ones_like(far)] * len(batch.lights)
    bright = radiance(batch, end, seen, surface_points(batch, end, ray, seen), lights)

    def put(into: Tensor, values: Tensor) -> Tensor:
        return into.reshape(-1).index_copy(0, where, values[:, 0] * 0.9).view(into.shape)

    return Vec(put(colour.x, bright.x), put(colour.y, bright.y), put(colour.z, bright.z))


def develop(linear: Tensor, exposure: Tensor, scenes: Sequence[Scene]) -> Tensor:
    """Convert linear colour [N, 3, H, W] to uint8 with gamma 2, exposure and sensor noise."""
    shown = torch.sqrt(linear * exposure[:, None, None, None])
    noise = torch.stack([_noise(scene, shown.shape[1:]) for scene in scenes])
    noisy = shown.clamp(max=1) + noise.to(linear.device)
    return (noisy.clamp(0, 1) * 255).round().to(torch.uint8)


def _noise(scene: Scene, shape: torch.Size) -> Tensor:
    generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(scene.noise_seed)))
    values = generator.standard_normal(tuple(shape), dtype=np.float32)
    return torch.from_numpy(values) * scene.noise
