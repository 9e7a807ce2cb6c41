"""A picture of a store: some of its images with the labels of every task."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.data.store.files import IMAGE, Split, Store
from benchmark.files import write_atomically, writing
from benchmark.tasks.appearance import coloured
from benchmark.tasks.registry import find_kind

_SAMPLES: tuple[tuple[Split, int], ...] = (("train", 2), ("eval", 2))
"""From each split: evenly spread over it."""
_WIDTH = 2.6
"""Inches of a column."""


def draw_samples(store: Store, path: Path) -> None:
    """One row per sample, one column per task; grey is invalid. Written as PNG."""
    from matplotlib.figure import Figure

    samples = [(split, row) for split, wanted in _SAMPLES
               for row in _spread(store.count(split), wanted)]
    height, width = store.array("train", IMAGE).shape[-2:]
    columns = 1 + len(store.tasks)
    figure = Figure(figsize=(_WIDTH * columns, (_WIDTH * height / width) * len(samples) + 0.5),
                    layout="constrained", dpi=120)
    axes = figure.subplots(len(samples), columns, squeeze=False)
    for index, (split, row) in enumerate(samples):
        one = slice(row, row + 1)
        pictures = {"": store.values(split, IMAGE, one).transpose(0, 2, 3, 1)}
        for task in store.tasks.values():
            truth = np.asarray(store.values(split, task.name, one))
            valid = task.valid(truth)
            caption = find_kind(task.kind).appearance.caption(task, truth, valid)
            title = f"{task.name}\n{caption}" if caption else task.name
            pictures[title] = coloured(task, truth, valid)[0]
        for place, (title, picture) in zip(axes[index], pictures.items(), strict=True):
            place.imshow(picture[0], interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
            if index == 0 or "\n" in title:
                place.set_title(title, fontsize=8)
        axes[index][0].set_ylabel(f"{split} {row}", fontsize=8)
    with writing(path):
        write_atomically(path, lambda to: figure.savefig(to, format="png"))


def _spread(count: int, wanted: int) -> list[int]:
    return sorted({(2 * k + 1) * count // (2 * wanted) for k in range(min(wanted, count))})
