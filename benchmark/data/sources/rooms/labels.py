"""The ten labels of an image, from what the rays through its pixel centres hit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import WALL, SceneBatch, corners, to_camera
from benchmark.data.sources.rooms.geometry import CYLINDER, ROOM, SOLIDS, SPHERE, Vec, blocked
from benchmark.data.sources.rooms.scene import CLASSES, STRUCTURE
from benchmark.tasks import VOID

_GAP = 0.04
"""Gap between a surface's depth and its neighbour's tangent plane, relative to the nearer depth,
above which there is an edge."""
_HEADLIGHT = 0.2
"""Metres between the camera and the headlight of reshading above it."""
_SHARPEST = 10.0
"""Principal curvature, in 1/m, at which the labels are clipped."""
_REACH = 3
"""Standard deviations after which heat is cut to zero."""


@dataclass(frozen=True)
class CameraView:
    """What the rays through the pixel centres hit, all [N, H, W]."""

    depth: Tensor
    hit: Tensor
    """image * B + body."""
    ray: Vec
    """World direction with a forward component of one."""
    normal: Vec
    """In the world."""
    albedo: Vec


def label(batch: SceneBatch, view: CameraView) -> dict[str, Tensor]:
    """Compute the targets by task name, in the form `benchmark.tasks.Task` requires."""
    shape, kind, material, mirror, radius = batch.at(
        view.hit, "shape", "label", "material", "mirror", "hx")
    semantic = kind.to(torch.uint8)
    round_ = (shape == SPHERE) | (shape == CYLINDER)
    void = mirror > 0
    return {
        "semantic": semantic,
        "depth": view.depth[:, None],
        "normal": to_camera(batch, view.normal).stack(1).half(),
        "edge": edge_map(batch, view).to(torch.uint8),
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


def reshading(batch: SceneBatch, view: CameraView) -> Tensor:
    """Cosine between the normal and the direction to the headlight, at least 0: [N, H, W]."""
    down = batch.axes[1].map(lambda a: a.view(-1, 1, 1))
    towards = (down * _HEADLIGHT + view.ray * view.depth) * -1.0
    return towards.unit().dot(view.normal).clamp(0, 1)


def curvature(view: CameraView, shape: Tensor, sharp: Tensor) -> Tensor:
    """Principal curvatures [N, 2, H, W] in 1/dm, the larger first; `sharp` is 1 / radius in 1/m."""
    sharp = (sharp / _SHARPEST).clamp(max=1)
    side = view.normal.z.abs() < 0.5
    first = torch.where((shape == CYLINDER) & ~side, 0.0, sharp)
    return torch.stack((first, torch.where(shape == SPHERE, sharp, 0.0)), 1)


def edge_map(batch: SceneBatch, view: CameraView) -> Tensor:
    """Occlusion edges, on the nearer side of a gap in depth between two bodies: bool [N, H, W]."""
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


def heat(batch: SceneBatch, height: int, width: int) -> Tensor:
    """Keypoint heat in [0, 1]: the largest of the Gaussians around visible corners, [N, H, W].

    Corners are those of the room and of large boxes.
    """
    world = corners(batch)
    camera = to_camera(batch, world)
    scale = batch.focal[:, None, None] * width / camera.z
    x, y = camera.x * scale + width / 2, camera.y * scale + height / 2
    wanted = batch.column("corners") > 0
    wanted[:, WALL] = True
    shown = ((camera.z > 0) & (x > 0) & (x < width) & (y > 0) & (y < height)
             & wanted[:, :, None])
    image = torch.nonzero(shown)[:, 0]
    seen = _visible(batch, world.map(lambda w: w[shown]), image)
    return _splat(image[seen], x[shown][seen], y[shown][seen], (batch.count, height, width))


def _visible(batch: SceneBatch, points: Vec, image: Tensor) -> Tensor:
    """Whether no body of its image stands between the camera and a point: bool [M]."""
    cos, sin, shape = (batch.column(name)[image] for name in ("cos", "sin", "shape"))
    middle = batch.vector("cx", "cy", "cz").map(lambda c: c[image])
    half = batch.vector("hx", "hy", "hz").map(lambda h: h[image])
    ray = points.map(lambda p: p[:, None]).into(cos, sin)
    origin = (middle * -1.0).into(cos, sin)
    hidden = torch.zeros(len(image), dtype=torch.bool, device=image.device)
    for code, solid in SOLIDS.items():
        hidden |= (blocked(*solid(origin, ray, half)) & (shape == code)).any(1)
    return ~hidden


def _splat(image: Tensor, x: Tensor, y: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Gaussians around the points (x, y) [M] of every image, cut off at `_REACH`."""
    count, height, width = shape
    spread = max(1.0, width / 50)
    reach = round(_REACH * spread)
    near = torch.arange(-reach, reach + 1, device=x.device)
    column = x.floor().long()[:, None, None] + near
    row = y.floor().long()[:, None, None] + near[:, None]
    square = (column + 0.5 - x[:, None, None]) ** 2 + (row + 0.5 - y[:, None, None]) ** 2
    value = torch.exp(square / (-2 * spread * spread))
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = (image[:, None, None] * height + row) * width + column
    canvas = torch.zeros(count * height * width, device=x.device)
    canvas.scatter_reduce_(0, place[inside], value[inside], "amax")
    return canvas.view(shape)
