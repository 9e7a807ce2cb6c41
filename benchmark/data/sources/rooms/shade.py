"""From surfaces to colours: point lights with shadows, ambient light, mirrors, exposure, noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import WALL, Batch
from benchmark.data.sources.rooms.scene import Scene
from benchmark.data.sources.rooms.surface import Look, describe
from benchmark.data.sources.rooms.trace import leave_room
from benchmark.data.sources.rooms.vec import Vec

_FALLOFF = 0.4
"""Added to a light's squared distance, in m^2, so that nothing near it is burnt out."""


def radiance(batch: Batch, position: Vec, hit: Tensor, look: Look,
             shadows: Sequence[Tensor]) -> Vec:
    """Linear colour of points [N * T, ...], given their surfaces and per light 1 where it shines.
    """
    normal, albedo = look.normal, look.albedo
    # A row of points belongs to one image.
    first = hit[(slice(None), *(slice(0, 1),) * (hit.dim() - 1))]
    image = torch.div(first, batch.bodies, rounding_mode="floor")
    sky = 0.75 + 0.25 * normal.z
    total = batch.ambient.map(lambda a: a[image] * sky + look.glow)
    for (place, colour), free in zip(batch.lights, shadows, strict=True):
        strength = _strength(place.map(lambda p: p[image]) - position, normal) * free
        total = total.plus(colour.map(lambda c: c[image]), strength)
    return Vec(total.x * albedo.x, total.y * albedo.y, total.z * albedo.z)


def _strength(towards: Vec, normal: Vec) -> Tensor:
    """Irradiance of a light of unit colour: the cosine law with a softened inverse square."""
    square = towards.dot(towards)
    cosine = (normal.dot(towards) * torch.rsqrt(square)).clamp(min=0)
    return cosine / (square + _FALLOFF)


def reflect(batch: Batch, colour: Vec, position: Vec, direction: Vec, hit: Tensor,
            normal: Vec) -> Vec:
    """`colour` with mirrors showing the empty room, all [N * T, S]."""
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
    bright = radiance(batch, end, seen, describe(batch, end, ray, seen), lights)

    def put(into: Tensor, values: Tensor) -> Tensor:
        return into.reshape(-1).index_copy(0, where, values[:, 0] * 0.9).view(into.shape)

    return Vec(put(colour.x, bright.x), put(colour.y, bright.y), put(colour.z, bright.z))


def develop(linear: Tensor, exposure: Tensor, scenes: Sequence[Scene]) -> Tensor:
    """Linear colour [N, 3, H, W] as the camera stores it: uint8, gamma 2, with sensor noise."""
    shown = torch.sqrt(linear * exposure[:, None, None, None])
    noise = torch.stack([_noise(scene, shown.shape[1:]) for scene in scenes])
    noisy = shown.clamp(max=1) + noise.to(linear.device)
    return (noisy.clamp(0, 1) * 255).round().to(torch.uint8)


def _noise(scene: Scene, shape: torch.Size) -> Tensor:
    generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence(scene.noise_seed)))
    values = generator.standard_normal(tuple(shape), dtype=np.float32)
    return torch.from_numpy(values) * scene.noise
