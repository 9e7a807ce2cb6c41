"""Measure what a second worker brings to `lhlbench data prepare`, on official Cityscapes files.

    python bench/preparing.py
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.data.sources import cityscapes
from benchmark.data.sources.prepared import prepare

FRAMES, SIZE, ROUNDS = {"train": 40, "val": 8}, (512, 1024), 5


def write(root: Path) -> None:
    """Frames with the detail of photographs: smooth shapes under a little noise."""
    numbers = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE[0], :SIZE[1]]
    for split, count in FRAMES.items():
        for index in range(count):
            wave = np.sin(rows / (20 + index)) + np.cos(columns / (31 + index))
            photo = np.stack([60 * wave + 120 + numbers.normal(0, 4, SIZE)] * 3, -1)
            arrays = {"leftImg8bit": photo.clip(0, 255).astype(np.uint8),
                      "gtFine": (7 + (wave * 6).astype(int) % 27).astype(np.uint8),
                      "disparity": (4000 + 3000 * wave + rows).astype(np.uint16)}
            for kind, array in arrays.items():
                end = "gtFine_labelIds" if kind == "gtFine" else kind
                path = root / kind / split / "city" / f"city_{index:06}_000019_{end}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)


def main() -> None:
    """Measure and print."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "raw")
        for number in range(ROUNDS):
            for workers, found in seconds.items():
                root = Path(folder) / f"{number}-{workers}"
                begin = time.perf_counter()
                prepare(cityscapes, cityscapes.Config(), Path(folder) / "raw", root, workers)
                found.append(time.perf_counter() - begin)
    images = sum(FRAMES.values())
    one, two = (statistics.median(found) for found in seconds.values())
    print(f"{images / one:.1f} images/s with one worker, {images / two:.1f} with two: "
          f"{one / two:.2f} x; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    sys.exit(main())
