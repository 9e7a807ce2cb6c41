"""Segmentation: a colour per class, and a legend of the classes that occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.appearance import ClassLegend, ColourKey, KindAppearance, palette
from benchmark.tasks.task import Task


class SegmentationAppearance(KindAppearance):
    """Colours from `palette`, whatever the truth holds."""

    def limits(self, task: Task, truth: NDArray[Any],
               valid: NDArray[np.bool_]) -> tuple[float, float]:
        return 0.0, float(task.channels - 1)

    def colours(self, task: Task, maps: Sequence[NDArray[np.float32]],
                limits: tuple[float, float]) -> list[NDArray[Any]]:
        return [palette(task.channels)[each.astype(int) % 256] for each in maps]

    def key(self, task: Task, truth: NDArray[Any], *shown: NDArray[Any]) -> ColourKey:
        parts = [truth[task.valid(truth)], *(each.ravel() for each in shown)]
        occurring = np.unique(np.concatenate(parts)).tolist()
        colours = palette(task.channels).tolist()
        return ClassLegend(
            tuple(task.classes[k] if task.classes else str(k) for k in occurring),
            tuple(tuple(colours[k]) for k in occurring))

    def caption(self, task: Task, truth: NDArray[Any], valid: NDArray[np.bool_]) -> str:
        return ""
