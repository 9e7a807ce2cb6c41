"""Rendering whole splits, on every core, into arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data.sources.rooms.render import render
from benchmark.data.sources.rooms.sample import sample
from benchmark.data.store.files import Split
from benchmark.memory import keep_freed_memory

Arrays = Mapping[str, NDArray[np.generic]]

_PIXELS = 8 * 96 * 128
"""Pixels of a batch: enough to outweigh the calls, few enough to stay in the cache."""
_THREADS = 8
"""Beyond these, threads wait for each other more than they render."""


def fill(arrays: Arrays, seed: int, split: Split) -> Iterator[int]:
    """Render images 0 to N - 1 of a split into `arrays` (image and tasks, all of length N).

    Yields the number of images after every batch that is done.
    """
    count, height, width = (int(arrays["image"].shape[axis]) for axis in (0, 2, 3))
    size = max(1, _PIXELS // (height * width))

    def work(start: int) -> int:
        stop = min(start + size, count)
        scenes = [sample(seed, split, index) for index in range(start, stop)]
        for name, value in render(scenes, height, width).items():
            if name in arrays:
                arrays[name][start:stop] = value.numpy()
        return stop - start

    with _pool() as pool:
        starts = iter(range(0, count, size))
        running: set[Future[int]] = {pool.submit(work, start) for start in islice(starts, _THREADS)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(work, start) for start in islice(starts, len(done))}
            yield sum(future.result() for future in done)


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Workers that render a batch each, rather than sharing out every single operation.

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
