"""Solid textures: the share of a surface's second colour at a point of the body."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.data.sources.rooms.definitions import MATERIALS
from benchmark.data.sources.rooms.vec import Vec


def texture(material: Tensor, slant: Tensor, place: Vec) -> Tensor:
    """Share of the second colour in [0, 1], [R, C], at `place` [R, C] in periods of the texture.

    material and slant are [R]: all points of a row lie on one body.
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
