"""Bodies of every class, drawn at random: their shapes, materials and colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from benchmark.data.sources.rooms.scene import (
    CLASSES,
    MATERIALS,
    Body,
    Colour,
    Point,
    Shape,
    Surface,
)
from benchmark.tasks import VOID

T = TypeVar("T")

# Weights of MATERIALS, in their order: correlated with the class, never decisive.
_MATERIALS = {
    "wall": (22, 1, 3, 1, 1, 1), "floor": (3, 7, 1, 12, 1, 1), "ceiling": (24, 1, 1, 1, 1, 1),
    "door": (6, 1, 1, 9, 1, 1), "window": (9, 1, 1, 1, 1, 1), "picture": (1, 2, 2, 1, 9, 4),
    "rug": (1, 2, 12, 1, 1, 7), "table": (4, 1, 1, 10, 1, 1), "cabinet": (7, 1, 3, 7, 1, 1),
    "bed": (3, 6, 3, 1, 1, 7), "lamp": (12, 1, 3, 1, 1, 1), "ball": (3, 5, 7, 1, 1, 4),
    "vase": (3, 1, 3, 1, 9, 2), "pillar": (6, 1, 1, 1, 7, 1)}
# Hue, saturation and value: ranges that every class draws from, with its own weights.
_PALETTES = (
    ((0.0, 1.0), (0.00, 0.15), (0.55, 0.95)),   # whites and light greys
    ((0.04, 0.12), (0.3, 0.7), (0.25, 0.75)),   # woods and earths
    ((0.0, 1.0), (0.15, 0.45), (0.5, 0.9)),     # pastels
    ((0.0, 1.0), (0.5, 0.9), (0.3, 0.9)),       # vivid
    ((0.0, 1.0), (0.0, 0.4), (0.08, 0.3)))      # darks
_COLOURS = {
    "wall": (4, 0, 12, 0, 0), "floor": (0, 12, 0, 0, 4), "ceiling": (14, 0, 1, 0, 0),
    "door": (2, 12, 0, 0, 2), "window": (12, 0, 1, 0, 0), "rug": (0, 0, 1, 12, 1),
    "table": (0, 12, 0, 0, 3), "cabinet": (2, 4, 0, 0, 12), "bed": (2, 0, 12, 1, 0),
    "lamp": (12, 0, 1, 0, 0), "ball": (0, 0, 0, 14, 1), "vase": (0, 1, 0, 2, 10),
    "pillar": (12, 1, 2, 0, 0)}
_ANY = (2, 2, 3, 3, 2)


class Draw:
    """Random draws for one scene from one seeded generator."""

    def __init__(self, entropy: Sequence[int]) -> None:
        self._random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy))).random

    def between(self, low: float, high: float) -> float:
        """Draw a number uniform in [low, high)."""
        return low + (high - low) * self._random()

    def chance(self, probability: float) -> bool:
        """Draw True with the given probability."""
        return self._random() < probability

    def weighted(self, weights: Sequence[float]) -> int:
        """Draw an index with a probability in proportion to its weight."""
        rest = self._random() * sum(weights)
        for index, weight in enumerate(weights):
            rest -= weight
            if rest < 0:
                return index
        return len(weights) - 1

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of the choices, all equally probable."""
        return choices[int(self._random() * len(choices))]


def surface(draw: Draw, name: str, glow: float = 0.0) -> Surface:
    """Draw the material and colours of a body of class `name`."""
    kind = MATERIALS[draw.weighted(_MATERIALS[name])]
    first = colour(draw, _COLOURS.get(name, _ANY))
    calm = name in ("wall", "floor", "ceiling")
    second = _shade(first, draw.between(0.75, 0.9) if calm else draw.between(0.4, 0.7))
    if draw.chance(0.03 if calm else 0.15):
        second = colour(draw, _ANY)
    large = name in ("wall", "floor", "ceiling", "rug", "bed")
    frequency = draw.between(0.8, 2.5) if large else draw.between(1.5, 5.0)
    phase = (draw.between(0, 1), draw.between(0, 1), draw.between(0, 1))
    return Surface(MATERIALS.index(kind), first, second, frequency, phase,
                   draw.between(-1, 1), glow)


def mirror() -> Surface:
    """Return the surface of a mirror, which has no texture of its own."""
    return Surface(first=(0.9, 0.9, 0.9), second=(0.9, 0.9, 0.9), mirror=True)


def colour(draw: Draw, weights: Sequence[float]) -> Colour:
    """Draw a linear colour from one of the palettes, chosen by `weights`."""
    hue, saturation, value = (draw.between(*span) for span in _PALETTES[draw.weighted(weights)])
    return _linear(hue % 1.0, saturation, value)


def _linear(hue: float, saturation: float, value: float) -> Colour:
    """HSV as shown on a screen, made linear (gamma 2)."""
    red, green, blue = (
        (value * (1 - saturation * min(1, max(0, 2 - abs((hue * 6 + turn) % 6 - 3)))))
        for turn in (0, 4, 2))
    return red * red, green * green, blue * blue


def _shade(base: Colour, amount: float) -> Colour:
    """Darken a colour or, where it is dark, lighten it."""
    if math.fsum(base) / 3 > 0.12:
        return base[0] * amount, base[1] * amount, base[2] * amount
    return base[0] + 0.3 * amount, base[1] + 0.3 * amount, base[2] + 0.3 * amount


@dataclass(frozen=True)
class Pose:
    """A local frame to place bodies in: x along the wall, y into the room, z up."""

    x: float
    y: float
    z: float = 0.0
    yaw: float = 0.0

    def body(self, shape: Shape, at: Point, half: Point, name: str, look: Surface,
             corners: bool = False) -> Body:
        """Return a body of class `name` whose centre is `at` in this frame."""
        label = CLASSES.index(name) if name in CLASSES else VOID
        x, y = self.turned(at[0], at[1])
        return Body(shape, (x, y, self.z + at[2]), half, label, look, self.yaw, corners)

    def turned(self, x: float, y: float) -> tuple[float, float]:
        """Return world x and y of a point of this frame."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return self.x + cos * x - sin * y, self.y + sin * x + cos * y

    def above(self, height: float, x: float = 0.0, y: float = 0.0) -> Pose:
        """Return the frame `height` above the point (x, y) of this one, turned alike."""
        turned = self.turned(x, y)
        return Pose(turned[0], turned[1], self.z + height, self.yaw)


def panel(draw: Draw, name: str, pose: Pose, width: float, low: float, high: float) -> list[Body]:
    """A door, window, picture or mirror: a thin box on a wall, the middle two in a frame."""
    thick, middle, tall = draw.between(0.015, 0.04), (low + high) / 2, (high - low) / 2
    glow = draw.between(0.4, 0.9) if name == "window" else 0.0
    look = mirror() if name == "mirror" else surface(draw, name, glow)
    half = (width / 2, thick, tall)
    whole = pose.body("box", (0, thick, middle), half, name, look, corners=True)
    if name not in ("window", "picture"):
        return [whole]
    rim = surface(draw, "door" if name == "window" else "table")
    frame = pose.body("box", (0, thick, middle), half, name, rim, corners=True)
    border = min(width, 2 * tall) * (0.06 if name == "window" else 0.1)
    # The pane protrudes from the frame, so that the two faces never coincide.
    depth, panes = thick + 0.004, 2 if name == "window" and draw.chance(0.7) else 1
    pane = (width - (panes + 1) * border) / panes / 2
    places = [(2 * index - panes + 1) * (pane + border / 2) for index in range(panes)]
    return [frame, *(pose.body("box", (x, depth, middle), (pane, depth, tall - border), name, look)
                     for x in places)]


def rug(draw: Draw, pose: Pose) -> list[Body]:
    """A flat box or disc on the floor."""
    look, size = surface(draw, "rug"), draw.between(0.8, 1.3)
    if draw.chance(0.3):
        return [pose.body("cylinder", (0, 0, 0.01), (size, size, 0.01), "rug", look)]
    half = (size * draw.between(1.0, 1.5), size, 0.01)
    return [pose.body("box", (0, 0, 0.01), half, "rug", look, corners=True)]


def table(draw: Draw, pose: Pose, radius: float) -> tuple[list[Body], float]:
    """A table on four legs or on one foot; also returns its height."""
    height, look = draw.between(0.5, 0.85), surface(draw, "table")
    if draw.chance(0.35):
        top = pose.body("cylinder", (0, 0, height - 0.025), (radius * 0.8, radius * 0.8, 0.025),
                        "table", look)
        foot = pose.body("cylinder", (0, 0, height / 2 - 0.025), (0.09, 0.09, height / 2 - 0.025),
                         "table", look)
        return [top, foot], height
    x, y = radius * draw.between(0.75, 0.9), radius * draw.between(0.4, 0.6)
    thick = draw.between(0.05, 0.08)
    top = pose.body("box", (0, 0, height - thick), (x, y, thick), "table", look, corners=True)
    leg, stand = draw.between(0.05, 0.08), height / 2 - thick
    legs = [pose.body("box", (i * (x - leg), j * (y - leg), stand), (leg, leg, stand),
                      "table", look) for i in (-1, 1) for j in (-1, 1)]
    return [top, *legs], height


def cabinet(draw: Draw, pose: Pose, width: float) -> tuple[list[Body], float]:
    """A cupboard with its back to a wall; also returns its height."""
    depth, height = draw.between(0.2, 0.3), draw.between(0.6, 2.1)
    look, plinth = surface(draw, "cabinet"), 0.05
    trunk = pose.body("box", (0, depth, height / 2 + plinth / 2),
                      (width / 2, depth, height / 2 - plinth / 2), "cabinet", look, corners=True)
    foot = pose.body("box", (0, depth, plinth / 2), (width / 2 - 0.06, depth - 0.06, plinth / 2),
                     "cabinet", look)
    return [trunk, foot], height


def bed(draw: Draw, pose: Pose, width: float) -> list[Body]:
    """A mattress with headboard and pillow, its head at a wall."""
    height, length, x = draw.between(0.35, 0.55), draw.between(0.95, 1.05), width / 2
    cloth, wood, linen = (surface(draw, "bed") for _ in range(3))
    head = height + draw.between(0.2, 0.5)
    return [pose.body("box", (0, 0.06 + length, height / 2), (x, length, height / 2), "bed",
                      cloth, corners=True),
            pose.body("box", (0, 0.03, head / 2), (x + 0.03, 0.03, head / 2), "bed", wood,
                      corners=True),
            pose.body("box", (0, 0.36, height + 0.06), (x * 0.7, 0.2, 0.06), "bed", linen)]


def lamp(draw: Draw, pose: Pose, size: float = 1.0) -> list[Body]:
    """A standing lamp: a round or straight shade on a pole with a foot."""
    height, radius = draw.between(1.1, 1.7) * size, draw.between(0.25, 0.38) * math.sqrt(size)
    metal, shade = surface(draw, "lamp"), surface(draw, "lamp", draw.between(0.4, 1.2))
    pole = pose.body("cylinder", (0, 0, height / 2), (0.045, 0.045, height / 2), "lamp", metal)
    foot = pose.body("cylinder", (0, 0, 0.015), (radius * 0.8, radius * 0.8, 0.015), "lamp", metal)
    at = (0.0, 0.0, height)
    if draw.chance(0.5):
        return [pole, foot, pose.body("sphere", at, (radius,) * 3, "lamp", shade)]
    straight = (radius, radius, radius * draw.between(0.6, 0.9))
    return [pole, foot, pose.body("cylinder", at, straight, "lamp", shade)]


def pendant(draw: Draw, pose: Pose, ceiling: float) -> list[Body]:
    """A lamp that hangs from the ceiling."""
    drop, radius = draw.between(0.35, 0.7), draw.between(0.22, 0.32)
    look = surface(draw, "lamp", draw.between(0.4, 1.2))
    cord = pose.body("cylinder", (0, 0, ceiling - drop / 2), (0.012, 0.012, drop / 2), "lamp", look)
    return [cord, pose.body("sphere", (0, 0, ceiling - drop), (radius,) * 3, "lamp", look)]


def ball(draw: Draw, pose: Pose, radius: float) -> list[Body]:
    """A ball that rests on a surface."""
    look = surface(draw, "ball")
    return [pose.body("sphere", (0, 0, radius), (radius,) * 3, "ball", look)]


def vase(draw: Draw, pose: Pose, radius: float) -> list[Body]:
    """A vase: a sphere with a neck, or a cylinder with a rim."""
    look = surface(draw, "vase")
    if draw.chance(0.5):
        neck = (radius * 0.45, radius * 0.45, radius * 0.6)
        return [pose.body("sphere", (0, 0, radius * 0.95), (radius,) * 3, "vase", look),
                pose.body("cylinder", (0, 0, radius * 2.2), neck, "vase", look)]
    tall = radius * draw.between(1.2, 2.0)
    return [pose.body("cylinder", (0, 0, tall), (radius * 0.8, radius * 0.8, tall), "vase", look),
            pose.body("cylinder", (0, 0, tall * 2), (radius, radius, radius * 0.15), "vase", look)]


def pillar(draw: Draw, pose: Pose, radius: float, ceiling: float) -> list[Body]:
    """A round or square pillar from floor to ceiling."""
    look, half = surface(draw, "pillar"), (radius, radius, ceiling / 2)
    if draw.chance(0.6):
        return [pose.body("cylinder", (0, 0, ceiling / 2), half, "pillar", look)]
    return [pose.body("box", (0, 0, ceiling / 2), half, "pillar", look, corners=True)]
