"""Scenes as tensors: one table of bodies and surfaces for a whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, sin

import torch
from torch import Tensor

from benchmark.data.sources.rooms.geometry import ABSENT, BOX, CYLINDER, ROOM, SPHERE, Vec
from benchmark.data.sources.rooms.scene import CLASSES, Body, Light, Point, Scene, Surface

WALL, FLOOR, CEILING = range(3)
"""Bodies that every scene has, first in the table; its own follow."""

_CODES = {"box": BOX, "sphere": SPHERE, "cylinder": CYLINDER}
_COLUMNS = ("shape", "label", "cos", "sin", "cx", "cy", "cz", "hx", "hy", "hz", "corners",
            "material", "r1", "g1", "b1", "r2", "g2", "b2", "frequency", "px", "py", "pz",
            "slant", "glow", "mirror")
_INDEX = {name: index for index, name in enumerate(_COLUMNS)}
_EMPTY = (float(ABSENT), *[0.0] * (len(_COLUMNS) - 1))
_DARK = Light((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
_SIGNS = tuple((x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0))


@dataclass(frozen=True)
class SceneBatch:
    """N scenes of B bodies each, absent ones included; the camera is the origin."""

    table: Tensor
    """[columns, N, B]"""
    axes: tuple[Vec, Vec, Vec]
    """Right, down and forward in the world, each [N]."""
    focal: Tensor
    """[N], in image widths."""
    lights: tuple[tuple[Vec, Vec], ...]
    """Position and colour of every light, each [N]."""
    ambient: Vec
    exposure: Tensor

    @property
    def count(self) -> int:
        return self.table.shape[1]

    @property
    def bodies(self) -> int:
        return self.table.shape[2]

    def column(self, name: str) -> Tensor:
        """Return one property of every body, [N, B]."""
        return self.table[_INDEX[name]]

    def vector(self, *names: str) -> Vec:
        """Return three properties of every body as a vector, [N, B]."""
        return Vec(*map(self.column, names))

    def at(self, index: Tensor, *names: str) -> tuple[Tensor, ...]:
        """Return properties of the bodies `index` (image * B + body), each of `index`'s shape."""
        flat = index.reshape(-1)
        return tuple(self.column(name).reshape(-1).index_select(0, flat).view(index.shape)
                     for name in names)


def pack_scenes(scenes: Sequence[Scene], device: torch.device) -> SceneBatch:
    """Convert scenes to one batch of float32 tensors on `device`."""
    width = 3 + max(len(scene.bodies) for scene in scenes)
    rows = [[row for body in _rows(scene, width) for row in body] for scene in scenes]
    table = _tensor(rows, device).view(len(scenes), width, len(_COLUMNS)).permute(2, 0, 1)
    eyes = [scene.camera.position for scene in scenes]
    axes = [scene.camera.axes() for scene in scenes]
    right, down, forward = (_vec([turned[axis] for turned in axes], device) for axis in range(3))
    return SceneBatch(table.contiguous(), (right, down, forward),
                 _tensor([scene.camera.focal for scene in scenes], device),
                 tuple(_lights(scenes, eyes, device)),
                 _vec([scene.ambient for scene in scenes], device),
                 _tensor([scene.exposure for scene in scenes], device))


def to_camera(batch: SceneBatch, points: Vec) -> Vec:
    """Rotate world vectors [N, ...] into the camera's frame: right, down, forward."""
    extra = (1,) * (points.x.dim() - 1)
    right, down, forward = (axis.map(lambda a: a.view(-1, *extra)) for axis in batch.axes)
    return Vec(points.dot(right), points.dot(down), points.dot(forward))


def corners(batch: SceneBatch) -> Vec:
    """Return the corners of the box around every body, relative to the camera: [N, B, 8]."""
    sign = Vec(*torch.tensor(_SIGNS, device=batch.table.device).unbind(1))
    half = batch.vector("hx", "hy", "hz").map(lambda h: h[..., None])
    local = Vec(half.x * sign.x, half.y * sign.y, half.z * sign.z)
    cos, sin = batch.column("cos")[..., None], batch.column("sin")[..., None]
    return local.out_of(cos, sin) + batch.vector("cx", "cy", "cz").map(lambda c: c[..., None])


def _tensor(values: Sequence[object], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).to(device, torch.float32)


def _vec(points: Sequence[Point], device: torch.device) -> Vec:
    return Vec(*_tensor(points, device).unbind(1))


def _lights(scenes: Sequence[Scene], eyes: Sequence[Point],
            device: torch.device) -> list[tuple[Vec, Vec]]:
    most = max(len(scene.lights) for scene in scenes)
    padded = [scene.lights + (_DARK,) * (most - len(scene.lights)) for scene in scenes]
    return [(_vec([_minus(lights[k].position, eye)
                   for lights, eye in zip(padded, eyes, strict=True)], device),
             _vec([lights[k].colour for lights in padded], device)) for k in range(most)]


def _rows(scene: Scene, width: int) -> list[tuple[float, ...]]:
    eye = scene.camera.position
    x, y, z = (size / 2 for size in scene.size)
    hull = Body("box", (x, y, z), (x, y, z), 0)
    rows = [_row(hull, ROOM, CLASSES.index(name), surface, eye) for name, surface in
            (("wall", scene.wall), ("floor", scene.floor), ("ceiling", scene.ceiling))]
    rows += [_row(body, _CODES[body.shape], body.label, body.surface, eye)
             for body in scene.bodies]
    return rows + [_EMPTY] * (width - len(rows))


def _row(body: Body, shape: int, label: int, surface: Surface, eye: Point) -> tuple[float, ...]:
    return (shape, label, cos(body.yaw), sin(body.yaw), *_minus(body.centre, eye), *body.half,
            body.corners, surface.material, *surface.first, *surface.second, surface.frequency,
            *surface.phase, surface.slant, surface.glow, surface.mirror)


def _minus(point: Point, eye: Point) -> Point:
    return point[0] - eye[0], point[1] - eye[1], point[2] - eye[2]
