"""The ten labels of an image, from what the rays through its pixel centres hit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import CYLINDER, ROOM, SPHERE, Batch
from benchmark.data.sources.rooms.definitions import CLASSES, STRUCTURE
from benchmark.data.sources.rooms.keypoints import heat
from benchmark.data.sources.rooms.tiles import to_camera
from benchmark.data.sources.rooms.vec import Vec
from benchmark.tasks import VOID

_GAP = 0.04
"""Depth that the other surface's tangent plane must fail to explain, relative to the nearer."""
_HEADLIGHT = 0.2
"""Metres between the camera and the headlight of reshading above it."""
_SHARPEST = 10.0
"""Largest principal curvature told apart, in 1/m."""


@dataclass(frozen=True)
class View:
    """What the pixel centres see, all [N, H, W]."""

    depth: Tensor
    hit: Tensor
    """image * B + body."""
    ray: Vec
    """World direction with a forward component of one."""
    normal: Vec
    """In the world."""
    albedo: Vec


def label(batch: Batch, view: View) -> dict[str, Tensor]:
    """Targets by task name, in the form `benchmark.tasks.Task` asks for."""
    shape, kind, material, mirror, radius = batch.at(
        view.hit, "shape", "label", "material", "mirror", "hx")
    semantic = kind.to(torch.uint8)
    round_ = (shape == SPHERE) | (shape == CYLINDER)
    void = mirror > 0
    return {
        "semantic": semantic,
        "depth": view.depth[:, None],
        "normal": to_camera(batch, view.normal).stack(1).half(),
        "edge": edges(batch, view).to(torch.uint8),
        "reshading": reshading(batch, view)[:, None].half(),
        "albedo": torch.where(void[:, None], torch.nan, view.albedo.stack(1)).half(),
        "curvature": curvature(view, shape, torch.where(round_, 1 / radius, 0.0)).half(),
        "keypoint": heat(batch, *view.depth.shape[1:])[:, None].half(),
        "material": torch.where(void, float(VOID), material).to(torch.uint8),
        "saliency": _salient(semantic),
    }


def _salient(semantic: Tensor) -> Tensor:
    table = torch.ones(VOID + 1, dtype=torch.uint8, device=semantic.device)
    table[[CLASSES.index(name) for name in STRUCTURE]] = 0
    return table[semantic.long()]


def reshading(batch: Batch, view: View) -> Tensor:
    """Cosine between the normal and the way to the headlight, 0 where it does not reach."""
    down = batch.axes[1].map(lambda a: a.view(-1, 1, 1))
    towards = (down * _HEADLIGHT + view.ray * view.depth) * -1.0
    return towards.unit().dot(view.normal).clamp(0, 1)


def curvature(view: View, shape: Tensor, sharp: Tensor) -> Tensor:
    """Principal curvatures [N, 2, H, W] in 1/dm, the larger first, given 1 / radius in 1/m."""
    sharp = (sharp / _SHARPEST).clamp(max=1)
    side = view.normal.z.abs() < 0.5
    first = torch.where((shape == CYLINDER) & ~side, 0.0, sharp)
    return torch.stack((first, torch.where(shape == SPHERE, sharp, 0.0)), 1)


def edges(batch: Batch, view: View) -> Tensor:
    """Occlusion edges: on the nearer side of a gap in depth between two bodies, bool [N, H, W]."""
    found = torch.zeros_like(view.hit, dtype=torch.bool)
    # The parts of the room never hide each other: they count as one body.
    shape, = batch.at(view.hit, "shape")
    body = torch.where(shape == ROOM, -1, view.hit)
    # A plane seen through pixel p has depth offset / (normal . ray) along any other ray.
    offset = view.normal.dot(view.ray) * view.depth
    for dim in (1, 2):
        last = view.depth.shape[dim] - 1

        def before(f: Tensor, dim: int = dim, last: int = last) -> Tensor:
            return f.narrow(dim, 0, last)

        def after(f: Tensor, dim: int = dim, last: int = last) -> Tensor:
            return f.narrow(dim, 1, last)

        near, far = before(view.depth), after(view.depth)
        ahead = (before(offset) / view.normal.map(before).dot(view.ray.map(after)) - far).abs()
        back = (after(offset) / view.normal.map(after).dot(view.ray.map(before)) - near).abs()
        gap = torch.minimum(ahead, back) > _GAP * torch.minimum(near, far)
        gap &= before(body) != after(body)
        before(found).logical_or_(gap & (near <= far))
        after(found).logical_or_(gap & (far < near))
    return found
