"""Scenes as plain data: camera, room, bodies and lights; imports no torch.

World axes: x and y along the floor, z up, the origin in a corner of the room; metres and radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

CLASSES = ("wall", "floor", "ceiling", "door", "window", "picture", "rug", "table", "cabinet",
           "bed", "lamp", "ball", "vase", "pillar")
STRUCTURE = ("wall", "floor", "ceiling", "door", "window", "rug", "pillar")
"""Classes that belong to the room; everything else, mirrors too, is salient."""
MATERIALS = ("plain", "checker", "stripes", "wood", "marble", "dots")

Point = tuple[float, float, float]
Colour = tuple[float, float, float]
Shape = Literal["box", "sphere", "cylinder"]


@dataclass(frozen=True, slots=True)
class Surface:
    """Colour and texture of a body: one of `MATERIALS` between two linear colours."""

    material: int = 0
    first: Colour = (0.5, 0.5, 0.5)
    second: Colour = (0.5, 0.5, 0.5)
    frequency: float = 2.0
    """Periods of the texture per metre."""
    phase: Point = (0.0, 0.0, 0.0)
    slant: float = 0.0
    """Inclination of stripes and grain: the weight of the height in their phase."""
    glow: float = 0.0
    """Emitted light, in multiples of the albedo."""
    mirror: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """A box turned about the vertical, a sphere or an upright cylinder."""

    shape: Shape
    centre: Point
    half: Point
    """Half extents along its own axes: a sphere has its radius thrice, a cylinder twice."""
    label: int
    """Index into `CLASSES`, or VOID."""
    surface: Surface = field(default_factory=Surface)
    yaw: float = 0.0
    corners: bool = False
    """Whether its corners are keypoints; boxes only."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera; it must lie inside the room and outside every body."""

    position: Point
    yaw: float = 0.0
    """Heading; 0 looks along x, pi / 2 along y."""
    pitch: float = 0.0
    """Positive looks up."""
    roll: float = 0.0
    focal: float = 0.8
    """Focal length in image widths."""

    def axes(self) -> tuple[Point, Point, Point]:
        """Right, down and forward as unit vectors of the world."""
        cy, sy = math.cos(self.yaw), math.sin(self.yaw)
        cp, sp = math.cos(self.pitch), math.sin(self.pitch)
        cr, sr = math.cos(self.roll), math.sin(self.roll)
        right, down, forward = (sy, -cy, 0.0), (sp * cy, sp * sy, -cp), (cp * cy, cp * sy, sp)
        turned = zip(right, down, strict=True)
        rolled = [(cr * r + sr * d, cr * d - sr * r) for r, d in turned]
        (rx, dx), (ry, dy), (rz, dz) = rolled
        return (rx, ry, rz), (dx, dy, dz), forward


@dataclass(frozen=True, slots=True)
class Light:
    """A point light; `colour` is its radiance at a distance of one metre, roughly."""

    position: Point
    colour: Colour


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything an image shows. The room spans [0, size] along every axis."""

    camera: Camera
    size: Point
    wall: Surface = field(default_factory=Surface)
    floor: Surface = field(default_factory=Surface)
    ceiling: Surface = field(default_factory=Surface)
    bodies: tuple[Body, ...] = ()
    lights: tuple[Light, ...] = ()
    ambient: Colour = (0.3, 0.3, 0.3)
    exposure: float = 1.0
    noise: float = 0.0
    """Standard deviation of the sensor noise, the full range being 1."""
    noise_seed: tuple[int, ...] = (0,)
