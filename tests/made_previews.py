"""Previews of some tasks of every kind, made of noise."""

from __future__ import annotations

import numpy as np

from benchmark.previews import Previews
from benchmark.tasks import Task

TASKS = (Task(name="semantic", kind="segmentation", channels=5, classes=tuple("abcde")),
         Task(name="depth", kind="regression", channels=1, unit="m"),
         Task(name="normals", kind="direction", channels=3),
         Task(name="edges", kind="binary", channels=1))


def arrays(tasks, images=2, height=3, width=4, seed=0):
    """Some of everything, invalid pixels included."""
    random = np.random.default_rng(seed)
    truth, raw = {}, {}
    for task in tasks:
        shape = (images, task.channels, height, width)
        if task.kind in ("segmentation", "binary"):
            truth[task.name] = random.integers(0, 2, (images, height, width)).astype(np.uint8)
            truth[task.name][0, 0, 0] = 255
        else:
            truth[task.name] = random.normal(size=shape).astype(np.float16)
            truth[task.name][0, :, 0, 0] = np.nan if task.kind == "regression" else 0
    for phase in range(1, len(tasks) + 1):
        for task in tasks[:phase]:
            shape = (images, task.channels, height, width)
            raw[phase, task.name] = random.normal(size=shape).astype(np.float16)
    pictures = random.integers(0, 256, (images, 3, height, width)).astype(np.uint8)
    return Previews(tuple(tasks), pictures, truth, raw)
