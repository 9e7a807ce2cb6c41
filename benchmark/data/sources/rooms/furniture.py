"""Every class of things, put together from boxes, spheres and cylinders."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmark.data.sources.rooms.definitions import CLASSES
from benchmark.data.sources.rooms.finish import Draw, mirror, surface
from benchmark.data.sources.rooms.scene import Body, Point, Shape, Surface
from benchmark.tasks import VOID


@dataclass(frozen=True)
class Spot:
    """A place to build at: x runs along the wall or the thing, y into the room, z up."""

    x: float
    y: float
    z: float = 0.0
    yaw: float = 0.0

    def body(self, shape: Shape, at: Point, half: Point, name: str, look: Surface,
             corners: bool = False) -> Body:
        """A body of class `name` whose centre is `at` in this spot's frame."""
        label = CLASSES.index(name) if name in CLASSES else VOID
        x, y = self.turned(at[0], at[1])
        return Body(shape, (x, y, self.z + at[2]), half, label, look, self.yaw, corners)

    def turned(self, x: float, y: float) -> tuple[float, float]:
        """World x and y of a point of this spot's frame."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return self.x + cos * x - sin * y, self.y + sin * x + cos * y

    def above(self, height: float, x: float = 0.0, y: float = 0.0) -> Spot:
        """The spot on top of something."""
        turned = self.turned(x, y)
        return Spot(turned[0], turned[1], self.z + height, self.yaw)


def panel(draw: Draw, name: str, spot: Spot, width: float, low: float, high: float) -> list[Body]:
    """A door, window, picture or mirror: a thin box on a wall, the middle two in a frame."""
    thick, middle, tall = draw.between(0.015, 0.04), (low + high) / 2, (high - low) / 2
    glow = draw.between(0.4, 0.9) if name == "window" else 0.0
    look = mirror() if name == "mirror" else surface(draw, name, glow)
    half = (width / 2, thick, tall)
    whole = spot.body("box", (0, thick, middle), half, name, look, corners=True)
    if name not in ("window", "picture"):
        return [whole]
    rim = surface(draw, "door" if name == "window" else "table")
    frame = spot.body("box", (0, thick, middle), half, name, rim, corners=True)
    border = min(width, 2 * tall) * (0.06 if name == "window" else 0.1)
    # Proud of the frame, so that the two faces never coincide.
    depth, panes = thick + 0.004, 2 if name == "window" and draw.chance(0.7) else 1
    pane = (width - (panes + 1) * border) / panes / 2
    places = [(2 * index - panes + 1) * (pane + border / 2) for index in range(panes)]
    return [frame, *(spot.body("box", (x, depth, middle), (pane, depth, tall - border), name, look)
                     for x in places)]


def rug(draw: Draw, spot: Spot) -> list[Body]:
    """A flat box or disc on the floor."""
    look, size = surface(draw, "rug"), draw.between(0.8, 1.3)
    if draw.chance(0.3):
        return [spot.body("cylinder", (0, 0, 0.01), (size, size, 0.01), "rug", look)]
    half = (size * draw.between(1.0, 1.5), size, 0.01)
    return [spot.body("box", (0, 0, 0.01), half, "rug", look, corners=True)]


def table(draw: Draw, spot: Spot, radius: float) -> tuple[list[Body], float]:
    """A table on four legs or on a foot, and its height."""
    height, look = draw.between(0.5, 0.85), surface(draw, "table")
    if draw.chance(0.35):
        top = spot.body("cylinder", (0, 0, height - 0.025), (radius * 0.8, radius * 0.8, 0.025),
                        "table", look)
        foot = spot.body("cylinder", (0, 0, height / 2 - 0.025), (0.09, 0.09, height / 2 - 0.025),
                         "table", look)
        return [top, foot], height
    x, y = radius * draw.between(0.75, 0.9), radius * draw.between(0.4, 0.6)
    thick = draw.between(0.05, 0.08)
    top = spot.body("box", (0, 0, height - thick), (x, y, thick), "table", look, corners=True)
    leg, stand = draw.between(0.05, 0.08), height / 2 - thick
    legs = [spot.body("box", (i * (x - leg), j * (y - leg), stand), (leg, leg, stand),
                      "table", look) for i in (-1, 1) for j in (-1, 1)]
    return [top, *legs], height


def cabinet(draw: Draw, spot: Spot, width: float) -> tuple[list[Body], float]:
    """A cupboard with its back to a wall, and its height."""
    depth, height = draw.between(0.2, 0.3), draw.between(0.6, 2.1)
    look, plinth = surface(draw, "cabinet"), 0.05
    trunk = spot.body("box", (0, depth, height / 2 + plinth / 2),
                      (width / 2, depth, height / 2 - plinth / 2), "cabinet", look, corners=True)
    foot = spot.body("box", (0, depth, plinth / 2), (width / 2 - 0.06, depth - 0.06, plinth / 2),
                     "cabinet", look)
    return [trunk, foot], height


def bed(draw: Draw, spot: Spot, width: float) -> list[Body]:
    """Mattress, headboard and pillow; its head is at a wall."""
    height, length, x = draw.between(0.35, 0.55), draw.between(0.95, 1.05), width / 2
    cloth, wood, linen = (surface(draw, "bed") for _ in range(3))
    head = height + draw.between(0.2, 0.5)
    return [spot.body("box", (0, 0.06 + length, height / 2), (x, length, height / 2), "bed",
                      cloth, corners=True),
            spot.body("box", (0, 0.03, head / 2), (x + 0.03, 0.03, head / 2), "bed", wood,
                      corners=True),
            spot.body("box", (0, 0.36, height + 0.06), (x * 0.7, 0.2, 0.06), "bed", linen)]


def lamp(draw: Draw, spot: Spot, size: float = 1.0) -> list[Body]:
    """A shade, round or straight, on a pole on a foot."""
    height, radius = draw.between(1.1, 1.7) * size, draw.between(0.25, 0.38) * math.sqrt(size)
    metal, shade = surface(draw, "lamp"), surface(draw, "lamp", draw.between(0.4, 1.2))
    pole = spot.body("cylinder", (0, 0, height / 2), (0.045, 0.045, height / 2), "lamp", metal)
    foot = spot.body("cylinder", (0, 0, 0.015), (radius * 0.8, radius * 0.8, 0.015), "lamp", metal)
    at = (0.0, 0.0, height)
    if draw.chance(0.5):
        return [pole, foot, spot.body("sphere", at, (radius,) * 3, "lamp", shade)]
    straight = (radius, radius, radius * draw.between(0.6, 0.9))
    return [pole, foot, spot.body("cylinder", at, straight, "lamp", shade)]


def pendant(draw: Draw, spot: Spot, ceiling: float) -> list[Body]:
    """A lamp that hangs from the ceiling."""
    drop, radius = draw.between(0.35, 0.7), draw.between(0.22, 0.32)
    look = surface(draw, "lamp", draw.between(0.4, 1.2))
    cord = spot.body("cylinder", (0, 0, ceiling - drop / 2), (0.012, 0.012, drop / 2), "lamp", look)
    return [cord, spot.body("sphere", (0, 0, ceiling - drop), (radius,) * 3, "lamp", look)]


def ball(draw: Draw, spot: Spot, radius: float) -> list[Body]:
    """A ball that lies on something."""
    look = surface(draw, "ball")
    return [spot.body("sphere", (0, 0, radius), (radius,) * 3, "ball", look)]


def vase(draw: Draw, spot: Spot, radius: float) -> list[Body]:
    """A round belly with a neck, or a straight jar with a rim."""
    look = surface(draw, "vase")
    if draw.chance(0.5):
        neck = (radius * 0.45, radius * 0.45, radius * 0.6)
        return [spot.body("sphere", (0, 0, radius * 0.95), (radius,) * 3, "vase", look),
                spot.body("cylinder", (0, 0, radius * 2.2), neck, "vase", look)]
    tall = radius * draw.between(1.2, 2.0)
    return [spot.body("cylinder", (0, 0, tall), (radius * 0.8, radius * 0.8, tall), "vase", look),
            spot.body("cylinder", (0, 0, tall * 2), (radius, radius, radius * 0.15), "vase", look)]


def pillar(draw: Draw, spot: Spot, radius: float, ceiling: float) -> list[Body]:
    """From floor to ceiling, round or square."""
    look, half = surface(draw, "pillar"), (radius, radius, ceiling / 2)
    if draw.chance(0.6):
        return [spot.body("cylinder", (0, 0, ceiling / 2), half, "pillar", look)]
    return [spot.body("box", (0, 0, ceiling / 2), half, "pillar", look, corners=True)]
