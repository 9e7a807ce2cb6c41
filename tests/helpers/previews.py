"""Previews of some tasks of every kind, made of noise, and runs that kept them."""

from __future__ import annotations

import numpy as np

from benchmark.engine.previews import Previews
from benchmark.record import save_statistics
from benchmark.report.plots.data import FigureData
from benchmark.report.plots.previewed import previewed_runs
from benchmark.report.plots.style import looks_of
from benchmark.report.runs.grid import sequence_grids
from benchmark.tasks import Task

TASKS = (Task(name="semantic", kind="segmentation", channels=5, classes=tuple("abcde")),
         Task(name="depth", kind="regression", channels=1, unit="m"),
         Task(name="normals", kind="direction", channels=3),
         Task(name="edges", kind="binary", channels=1))
SHAPE = {"images": 3, "height": 5, "width": 7}
"""Of the previews of runs."""


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


def left(maker, method="had", seed=0, kept=True, tasks=TASKS, **others):
    """A run with or without previews; its statistics count what the previews show."""
    found = maker.run(method, seed, tasks=tuple(task.name for task in tasks), **others)
    made = arrays(tasks, **SHAPE, seed=seed)
    if kept:
        made.save(found.folder)
    save_statistics(found.folder, {(len(tasks), task.name): counted(made, task) for task in tasks
                                   if task.kind in ("segmentation", "binary")})
    return found


def counted(made, task):
    """Statistics of labels and binary maps, pixel by pixel."""
    truth, raw = made.truth[task.name], made.raw[len(made.tasks), task.name]
    if task.kind == "segmentation":
        confusion = np.zeros((len(truth), task.channels, task.channels), np.int64)
        for index in np.argwhere(truth != 255):
            image, row, column = index
            confusion[image, truth[tuple(index)], raw[image, :, row, column].argmax()] += 1
        return {"confusion": confusion}
    reached = 1 / (1 + np.exp(-raw[:, 0].astype(float)))
    levels = [(reached >= k / 100) & (truth != 255) for k in range(1, 100)]
    return {"positives": (truth == 1).sum((1, 2)), "negatives": (truth == 0).sum((1, 2)),
            "predicted": np.stack([each.sum((1, 2)) for each in levels], 1),
            "true_positive": np.stack([(each & (truth == 1)).sum((1, 2)) for each in levels], 1),
            "nll_positive": np.zeros(len(truth)), "nll_negative": np.zeros(len(truth))}


def shown_runs(maker):
    """The runs of `maker`, of one sequence, that a figure shows."""
    (grid,) = sequence_grids(maker.collection())
    return previewed_runs(FigureData(grid, looks_of([grid])))


def shown(maker):
    """The one run of `maker` that a figure shows."""
    (run,) = shown_runs(maker)
    return run
