"""From scenes to images and labels: the door of the renderer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.data.sources.rooms.batch import Batch, pack
from benchmark.data.sources.rooms.labels import View, label
from benchmark.data.sources.rooms.scene import Scene
from benchmark.data.sources.rooms.shade import develop, radiance, reflect
from benchmark.data.sources.rooms.shadow import lit
from benchmark.data.sources.rooms.surface import Look, describe, look_of
from benchmark.data.sources.rooms.tiles import SAMPLES, SIDE, Grid, make_grid
from benchmark.data.sources.rooms.trace import camera_rays, first_hit
from benchmark.data.sources.rooms.vec import Vec


@torch.inference_mode()
def render(scenes: Sequence[Scene], height: int, width: int,
           device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Images and labels of `scenes`.

    `image` is uint8 [N, 3, H, W]; every task's target has the form `benchmark.tasks.Task` asks
    for, in the dtype it is stored in. The result for a scene does not depend on the others.
    """
    device = torch.device(device)
    batch, grid = pack(scenes, device), make_grid(height, width, device)
    rays = camera_rays(batch, grid)
    depth, hit = first_hit(batch, grid, rays)
    position = rays * depth
    look = describe(batch, position, rays, hit)
    centre = slice(0, SIDE * SIDE)
    colours = _colours(batch, grid, position, hit, look, rays)
    image = torch.stack([grid.image(_mean(c)) for c in (colours.x, colours.y, colours.z)], 1)

    def cut(field: Tensor) -> Tensor:
        return grid.image(field[:, centre]).contiguous()

    view = View(cut(depth), cut(hit), rays.map(cut), look.normal.map(cut),
                look.albedo.map(cut))
    return {"image": develop(image, batch.exposure, scenes), **label(batch, view)}


def _colours(batch: Batch, grid: Grid, position: Vec, hit: Tensor, look: Look,
             rays: Vec) -> Vec:
    """Linear colour of all samples but the centre one: [N * T, samples - 1, P]."""
    pixels = SIDE * SIDE

    def split(field: Tensor) -> Tensor:
        return field.view(-1, len(SAMPLES), pixels)[:, 1:]

    middle = position.map(lambda p: p[:, :pixels])
    # Shadow rays are dear: the samples of a pixel share the one of its centre.
    shadows = [lit(batch, grid, middle, place)[:, None] for place, _ in batch.lights]
    look = look_of([split(plane) for plane in look.planes()])
    at, seen = position.map(split), split(hit)
    colour = radiance(batch, at, seen, look, shadows)
    return reflect(batch, colour, at, rays.map(split), seen, look.normal)


def _mean(samples: Tensor) -> Tensor:
    """Mean over the four samples of a pixel, [N * T, 4, P], in a fixed order."""
    first, second, third, fourth = samples.unbind(1)
    return ((first + second) + (third + fourth)) * 0.25
