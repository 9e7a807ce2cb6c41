"""Render scenes to images and labels, one batch or a whole split at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.data.sources.rooms.batch import SceneBatch, pack_scenes
from benchmark.data.sources.rooms.geometry import Vec
from benchmark.data.sources.rooms.labels import CameraView, label
from benchmark.data.sources.rooms.sample import sample
from benchmark.data.sources.rooms.scene import Scene
from benchmark.data.sources.rooms.shading import (
    SurfacePoints,
    develop,
    radiance,
    reflect,
    surface_points,
)
from benchmark.data.sources.rooms.tracing import (
    SAMPLES,
    SIDE,
    TileGrid,
    camera_rays,
    first_hit,
    lit,
    make_grid,
)
from benchmark.data.store.files import Split
from benchmark.memory import keep_freed_memory

Arrays = Mapping[str, NDArray[np.generic]]

_PIXELS = 8 * 96 * 128
"""Pixels of a batch: enough to outweigh the cost of calls, few enough to stay in the cache."""
_THREADS = 8
"""Beyond these, threads wait for each other more than they render."""


@torch.inference_mode()
def render_scenes(scenes: Sequence[Scene], height: int, width: int,
           device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Render the images and labels of N scenes.

    `image` is uint8 [N, 3, H, W]; every task's target has the form `benchmark.tasks.Task`
    requires, in the dtype it is stored in. The result for a scene does not depend on the others.
    """
    device = torch.device(device)
    batch, grid = pack_scenes(scenes, device), make_grid(height, width, device)
    rays = camera_rays(batch, grid)
    depth, hit = first_hit(batch, grid, rays)
    position = rays * depth
    surface = surface_points(batch, position, rays, hit)
    centre = slice(0, SIDE * SIDE)
    colours = _colours(batch, grid, position, hit, surface, rays)
    image = torch.stack([grid.image(_mean(c)) for c in (colours.x, colours.y, colours.z)], 1)

    def cut(field: Tensor) -> Tensor:
        return grid.image(field[:, centre]).contiguous()

    view = CameraView(cut(depth), cut(hit), rays.map(cut), surface.normal.map(cut),
                surface.albedo.map(cut))
    return {"image": develop(image, batch.exposure, scenes), **label(batch, view)}


def _colours(batch: SceneBatch, grid: TileGrid, position: Vec, hit: Tensor, surface: SurfacePoints,
             rays: Vec) -> Vec:
    """Linear colour of all samples but the centre: [N * T, samples - 1, P]."""
    pixels = SIDE * SIDE

    def samples(field: Tensor) -> Tensor:
        return field.view(-1, len(SAMPLES), pixels)[:, 1:]

    middle = position.map(lambda p: p[:, :pixels])
    # Shadow rays are expensive: the samples of a pixel share the one of its centre.
    shadows = [lit(batch, grid, middle, place)[:, None] for place, _ in batch.lights]
    surface = SurfacePoints.from_tensors([samples(tensor) for tensor in surface.tensors()])
    at, seen = position.map(samples), samples(hit)
    colour = radiance(batch, at, seen, surface, shadows)
    return reflect(batch, colour, at, rays.map(samples), seen, surface.normal)


def _mean(samples: Tensor) -> Tensor:
    """Mean over the four samples of a pixel, [N * T, 4, P], summed in a fixed order."""
    first, second, third, fourth = samples.unbind(1)
    return ((first + second) + (third + fourth)) * 0.25


def render_split(arrays: Arrays, seed: int, split: Split) -> Iterator[int]:
    """Render images 0 to N - 1 of a split into `arrays`, on every core.

    `arrays` has the image array, uint8 [N, 3, H, W], and those of any tasks. Yields the number of
    images of every batch once it is rendered.
    """
    count, height, width = (int(arrays["image"].shape[axis]) for axis in (0, 2, 3))
    size = max(1, _PIXELS // (height * width))

    def render_batch(start: int) -> int:
        stop = min(start + size, count)
        scenes = [sample(seed, split, index) for index in range(start, stop)]
        for name, value in render_scenes(scenes, height, width).items():
            if name in arrays:
                arrays[name][start:stop] = value.numpy()
        return stop - start

    with _pool() as pool:
        starts = iter(range(0, count, size))
        running: set[Future[int]] = {pool.submit(render_batch, start)
                                     for start in islice(starts, _THREADS)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(render_batch, start) for start in islice(starts, len(done))}
            yield sum(future.result() for future in done)


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that render a batch each, rather than sharing every single operation.

    Operations on some 10^5 numbers are over before a second thread has woken up.
    """
    threads = torch.get_num_threads()
    keep_freed_memory()
    pool = ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1),
                              initializer=lambda: torch.set_num_threads(1))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
