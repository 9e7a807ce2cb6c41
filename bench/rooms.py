"""Measure how many images of rooms are rendered per second, labels included.

    python bench/rooms.py
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from benchmark.data.sources.rooms import TASKS, shape_and_dtype
from benchmark.data.sources.rooms.render import render_split


def throughput(images: int, height: int, width: int) -> float:
    """Images per second on all cores: scenes sampled, images and labels rendered."""
    arrays = {"image": np.empty((images, 3, height, width), np.uint8)}
    for task in TASKS:
        shape, dtype = shape_and_dtype(task, images, height, width)
        arrays[task.name] = np.empty(shape, dtype)
    start = time.perf_counter()
    for _ in render_split(arrays, 0, "train"):
        pass
    return images / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--height", type=int, default=96)
    parser.add_argument("--width", type=int, default=128)
    chosen = parser.parse_args()
    throughput(16, chosen.height, chosen.width)
    rate = throughput(chosen.images, chosen.height, chosen.width)
    print(f"{rate:.0f} images/s at {chosen.height}x{chosen.width}, {len(TASKS)} labels each, "
          f"{os.cpu_count()} cores")


if __name__ == "__main__":
    main()
