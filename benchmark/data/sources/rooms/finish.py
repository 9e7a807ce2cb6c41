"""How things look: materials and colours, drawn per body from palettes that overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from benchmark.data.sources.rooms.definitions import MATERIALS
from benchmark.data.sources.rooms.scene import Colour, Surface

T = TypeVar("T")

# Shares of MATERIALS, in their order: a hint at the class, never proof of it.
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
    """Random choices of one scene."""

    def __init__(self, entropy: Sequence[int]) -> None:
        self._random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy))).random

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self._random()

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self._random() < probability

    def weighted(self, weights: Sequence[float]) -> int:
        """An index, as often as its weight says."""
        rest = self._random() * sum(weights)
        for index, weight in enumerate(weights):
            rest -= weight
            if rest < 0:
                return index
        return len(weights) - 1

    def pick(self, choices: Sequence[T]) -> T:
        """Any one, all alike."""
        return choices[int(self._random() * len(choices))]


def surface(draw: Draw, name: str, glow: float = 0.0) -> Surface:
    """A fresh look for a body of class `name`."""
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
    """A perfect mirror: it has no look of its own."""
    return Surface(first=(0.9, 0.9, 0.9), second=(0.9, 0.9, 0.9), mirror=True)


def colour(draw: Draw, weights: Sequence[float]) -> Colour:
    """A linear colour from one of the palettes."""
    hue, saturation, value = (draw.between(*span) for span in _PALETTES[draw.weighted(weights)])
    return _linear(hue % 1.0, saturation, value)


def _linear(hue: float, saturation: float, value: float) -> Colour:
    """HSV as shown on a screen, made linear (gamma 2)."""
    red, green, blue = (
        (value * (1 - saturation * min(1, max(0, 2 - abs((hue * 6 + turn) % 6 - 3)))))
        for turn in (0, 4, 2))
    return red * red, green * green, blue * blue


def _shade(base: Colour, amount: float) -> Colour:
    """The base, darker or, where it is dark, lighter."""
    if math.fsum(base) / 3 > 0.12:
        return base[0] * amount, base[1] * amount, base[2] * amount
    return base[0] + 0.3 * amount, base[1] + 0.3 * amount, base[2] + 0.3 * amount
