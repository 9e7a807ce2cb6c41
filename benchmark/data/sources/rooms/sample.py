"""Sample scenes at random: one per (seed, split, index), independent of all others."""

from __future__ import annotations

import math

from benchmark.data.sources.rooms import furniture
from benchmark.data.sources.rooms.furniture import Draw, Pose, surface
from benchmark.data.sources.rooms.scene import Body, Camera, Colour, Light, Point, Scene
from benchmark.data.store.files import Split

_SPLITS = {"train": 0, "eval": 1}
_CLEARANCE = 0.45
"""Metres between the camera and anything that stands or hangs in the room."""
_ATTEMPTS = 6


def sample(seed: int, split: Split, index: int) -> Scene:
    """Sample scene `index` of a split; it depends on nothing but the arguments."""
    entropy = (seed, _SPLITS[split], index)
    draw = Draw((*entropy, 0))
    size = (draw.between(3.0, 9.0), draw.between(3.0, 9.0), draw.between(2.5, 2.9))
    camera = _camera(draw, size)
    layout = _Layout(draw, size, camera)
    layout.furnish()
    tint = draw.between(0.95, 1.05)
    level = draw.between(0.12, 0.18)
    return Scene(camera, size, surface(draw, "wall"), surface(draw, "floor"),
                 surface(draw, "ceiling"), tuple(layout.bodies), _lights(layout),
                 (level * tint, level, level / tint), exposure=math.exp(draw.between(-0.05, 0.05)),
                 noise=draw.between(0.005, 0.015), noise_seed=(*entropy, 1))


def _camera(draw: Draw, size: Point) -> Camera:
    """A camera that looks along the room rather than into a corner, from its rear part."""
    yaw = draw.pick((0.0, 0.5, 1.0, 1.5)) * math.pi + draw.between(-0.25, 0.25)
    back, side = draw.between(-0.46, -0.1), draw.between(-0.35, 0.35)
    cos, sin = math.cos(yaw), math.sin(yaw)
    x = size[0] * (0.5 + back * cos - side * sin)
    y = size[1] * (0.5 + back * sin + side * cos)
    pitch = draw.between(-16, -6)
    height = draw.between(1.35, 1.65)
    return Camera((min(max(x, 0.3), size[0] - 0.3), min(max(y, 0.3), size[1] - 0.3), height),
                  yaw, math.radians(pitch), math.radians(draw.between(-2, 2)),
                  draw.between(0.72, 0.78))


def _lights(layout: _Layout) -> tuple[Light, Light]:
    """A light below the ceiling, clear of everything tall, and one next to the camera.

    Under the second, surfaces that are near the camera, or face it, are bright.
    """
    draw, size = layout.draw, layout.size
    x, y = layout.free(0.15, in_view=False) or (size[0] / 2, size[1] / 2)
    hung = Light((x, y, size[2] - draw.between(0.1, 0.5)), _warm(draw, draw.between(1.0, 3.0)))
    eye, reach = layout.camera.position, _CLEARANCE / 2
    near = tuple(min(max(at + draw.between(-reach, reach), 0.1), end - 0.1)
                 for at, end in zip(eye, size, strict=True))
    return hung, Light((near[0], near[1], near[2]), _warm(draw, draw.between(6.0, 7.0)))


def _warm(draw: Draw, strength: float) -> Colour:
    """A light's colour, between reddish and bluish."""
    warm = draw.between(0.9, 1.1)
    return strength * warm, strength, strength / warm


class _Layout:
    """The bodies of a scene; new ones keep clear of the camera and of each other."""

    def __init__(self, draw: Draw, size: Point, camera: Camera) -> None:
        self.draw, self.size, self.camera = draw, size, camera
        self.bodies: list[Body] = []
        self._discs: list[tuple[float, float, float]] = []
        self._wall_claims: list[tuple[int, float, float, float, float]] = []
        self._tops: list[tuple[Pose, float]] = []

    def furnish(self) -> None:
        """Add furniture, large things first, small ones in the space between them."""
        draw = self.draw
        for chance, build in ((0.35, self._bed), (0.6, self._table), (0.25, self._table),
                              (0.65, self._cabinet), (0.45, self._cabinet), (0.28, self._pillar),
                              (0.75, self._door), (0.65, self._window), (0.45, self._window),
                              (0.12, self._mirror), (0.7, self._picture), (0.5, self._picture),
                              (0.4, self._picture), (0.5, self._rug), (0.4, self._lamp),
                              (0.25, self._pendant), (0.55, self._ball), (0.3, self._ball),
                              (0.55, self._vase), (0.35, self._vase)):
            if draw.chance(chance):
                build()

    def free(self, radius: float, in_view: bool = True) -> tuple[float, float] | None:
        """Return the middle of a free disc of floor, mostly in view; None if none was found."""
        for _ in range(_ATTEMPTS):
            x, y = self._ahead() if in_view and self.draw.chance(0.8) else self._anywhere()
            x = min(max(x, radius), self.size[0] - radius)
            y = min(max(y, radius), self.size[1] - radius)
            if self._clear(x, y, radius):
                return x, y
        return None

    def _ahead(self) -> tuple[float, float]:
        turn = self.camera.yaw + self.draw.between(-0.5, 0.5)
        far = self.draw.between(1.2, 5.0)
        return (self.camera.position[0] + far * math.cos(turn),
                self.camera.position[1] + far * math.sin(turn))

    def _anywhere(self) -> tuple[float, float]:
        return self.draw.between(0, self.size[0]), self.draw.between(0, self.size[1])

    def _clear(self, x: float, y: float, radius: float) -> bool:
        eye = (self.camera.position[0], self.camera.position[1], _CLEARANCE)
        return all((x - a) ** 2 + (y - b) ** 2 > (radius + r) ** 2
                   for a, b, r in (eye, *self._discs))

    def _reserve_floor(self, radius: float) -> Pose | None:
        """Reserve a free disc of floor; None if none was found."""
        place = self.free(radius)
        if place is None:
            return None
        self._discs.append((*place, radius))
        return Pose(*place, yaw=self.draw.between(-math.pi, math.pi))

    def _reserve_wall(self, width: float, low: float, high: float,
                      depth: float = 0.0) -> Pose | None:
        """Reserve a free rectangle of wall, and with a depth the floor before it; None if none
        was found. `low` and `high` are heights in metres."""
        for _ in range(_ATTEMPTS):
            wall, along = self._draw_wall_point()
            length = self.size[1 if wall < 2 else 0]
            along = min(max(along, width / 2 + 0.02), length - width / 2 - 0.02)
            claim = (wall, along - width / 2, along + width / 2, low, high)
            pose = _wall_pose(wall, along, self.size)
            discs = [(*pose.turned(shift, depth / 2), depth / 2)
                     for shift in (-width / 2 + depth / 2, 0.0, width / 2 - depth / 2)]
            if (any(_overlap(claim, other) for other in self._wall_claims)
                    or (depth and not all(self._clear(*disc) for disc in discs))):
                continue
            self._wall_claims.append(claim)
            if depth:
                self._discs += discs
            return pose
        return None

    def _draw_wall_point(self) -> tuple[int, float]:
        """Draw a point of a wall, mostly in view: the wall's number and the position along it."""
        spread = 0.5 if self.draw.chance(0.8) else math.pi
        turn = self.camera.yaw + self.draw.between(-spread, spread)
        cos, sin = math.cos(turn), math.sin(turn)
        x, y, _ = self.camera.position
        to_x = (self.size[0] - x if cos > 0 else -x) / cos
        to_y = (self.size[1] - y if sin > 0 else -y) / sin
        if to_x < to_y:
            return (1 if cos > 0 else 0), y + to_x * sin
        return (3 if sin > 0 else 2), x + to_y * cos

    def _panel(self, name: str, width: float, low: float, high: float) -> None:
        top = self.size[2] - 0.05
        pose = self._reserve_wall(width, low, min(high, top))
        if pose:
            self.bodies += furniture.panel(self.draw, name, pose, width, low, min(high, top))

    def _door(self) -> None:
        self._panel("door", self.draw.between(0.75, 1.1), 0.0, self.draw.between(1.9, 2.15))

    def _window(self) -> None:
        low = self.draw.between(0.6, 1.1)
        self._panel("window", self.draw.between(0.7, 1.8), low, low + self.draw.between(0.8, 1.4))

    def _picture(self) -> None:
        low = self.draw.between(1.0, 1.5)
        self._panel("picture", self.draw.between(0.6, 1.3), low, low + self.draw.between(0.5, 0.9))

    def _mirror(self) -> None:
        low = self.draw.between(0.2, 0.9)
        self._panel("mirror", self.draw.between(0.5, 1.0), low, low + self.draw.between(0.8, 1.5))

    def _bed(self) -> None:
        width = self.draw.between(1.0, 1.8)
        if pose := self._reserve_wall(width + 0.1, 0.0, 0.9, depth=2.1):
            self.bodies += furniture.bed(self.draw, pose, width)

    def _cabinet(self) -> None:
        width = self.draw.between(0.6, 1.5)
        if pose := self._reserve_wall(width, 0.0, 2.1, depth=0.6):
            bodies, height = furniture.cabinet(self.draw, pose, width)
            self.bodies += bodies
            if height < 1.5:
                self._tops.append((pose.above(height, y=0.25), 0.2))

    def _table(self) -> None:
        radius = self.draw.between(0.6, 1.0)
        if pose := self._reserve_floor(radius):
            bodies, height = furniture.table(self.draw, pose, radius)
            self.bodies += bodies
            self._tops.append((pose.above(height), 0.3))

    def _pillar(self) -> None:
        radius = self.draw.between(0.18, 0.35)
        if pose := self._reserve_floor(radius * 1.42):
            self.bodies += furniture.pillar(self.draw, pose, radius, self.size[2])

    def _rug(self) -> None:
        x, y = self._ahead()
        pose = Pose(min(max(x, 1.0), self.size[0] - 1.0), min(max(y, 1.0), self.size[1] - 1.0),
                    yaw=self.draw.pick((0.0, math.pi / 2)))
        self.bodies += furniture.rug(self.draw, pose)

    def _lamp(self) -> None:
        if self._tops and self.draw.chance(0.3):
            self.bodies += furniture.lamp(self.draw, self._tops.pop()[0], 0.35)
        elif pose := self._reserve_floor(0.34):
            self.bodies += furniture.lamp(self.draw, pose)

    def _pendant(self) -> None:
        if pose := self._reserve_floor(0.25):
            self.bodies += furniture.pendant(self.draw, pose, self.size[2])

    def _ball(self) -> None:
        radius = self.draw.between(0.25, 0.45)
        if pose := self._reserve_floor(radius):
            self.bodies += furniture.ball(self.draw, pose, radius)

    def _vase(self) -> None:
        if self._tops and self.draw.chance(0.6):
            top, room = self._tops.pop()
            self.bodies += furniture.vase(self.draw, top, self.draw.between(0.6, 0.9) * room)
            return
        radius = self.draw.between(0.22, 0.36)
        if pose := self._reserve_floor(radius):
            self.bodies += furniture.vase(self.draw, pose, radius)


def _wall_pose(wall: int, along: float, size: Point) -> Pose:
    """The frame at the foot of wall 0 (x = 0), 1 (x = end), 2 (y = 0) or 3 (y = end)."""
    return (Pose(0.0, along, yaw=-math.pi / 2), Pose(size[0], along, yaw=math.pi / 2),
            Pose(along, 0.0), Pose(along, size[1], yaw=math.pi))[wall]


def _overlap(first: tuple[int, float, float, float, float],
             second: tuple[int, float, float, float, float]) -> bool:
    return (first[0] == second[0] and first[1] < second[2] and second[1] < first[2]
            and first[3] < second[4] and second[3] < first[4])
