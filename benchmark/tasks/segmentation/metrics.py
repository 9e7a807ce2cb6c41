"""Segmentation: mean intersection over union and pixel accuracy from one confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.metric import (
    KindMetrics,
    Metric,
    Recorded,
    Statistic,
    Statistics,
    Values,
    ratio,
)
from benchmark.tasks.task import Task


class SegmentationMetrics(KindMetrics):
    """Confusion counts of the pixels whose label is a class; void pixels are not in them.

    Under the `batch` convention the matrix stays one sum over all images, as in the code
    released with HAD and in the mtan family, which average every other metric over batches.
    """

    pooled_in_batches = True
    titles = {"miou": "mIoU", "pixel_accuracy": "pixel accuracy"}

    def metrics(self, task: Task) -> tuple[Metric, ...]:
        return (Metric("miou", "%", True, True, "segmentation.miou"),
                Metric("pixel_accuracy", "%", True, False, "segmentation.pixel_accuracy"))

    def statistics(self, task: Task) -> tuple[Statistic, ...]:
        shape = (task.channels, task.channels)
        return (Statistic("confusion", "int64", "pixels of true class (row) predicted as class "
                          "(column)", shape),)

    def values(self, sums: Statistics) -> dict[str, Values]:
        confusion = sums["confusion"]
        hits = np.diagonal(confusion, axis1=-2, axis2=-1)
        union = confusion.sum(-1) + confusion.sum(-2) - hits
        # A class in neither prediction nor truth has no union: it is left out, not counted as 0.
        present = (union > 0).sum(-1)
        iou = np.divide(hits, union, out=np.zeros(union.shape), where=union > 0)
        return {"miou": 100 * ratio(iou.sum(-1), present),
                "pixel_accuracy": 100 * ratio(hits.sum(-1), confusion.sum((-2, -1)))}

    def recorded_task(self, recorded: Recorded, channels: int | None,
                      statistics: Statistics) -> Task:
        confusion = statistics.get("confusion")
        classes = 0 if confusion is None else confusion.shape[-1]
        return Task(name=recorded.name, kind=recorded.kind, channels=classes)

    def group_counts(self, sums: Statistics) -> tuple[NDArray[Any], NDArray[Any]]:
        return sums["confusion"].sum(0), sums["confusion"].sum(1)

    def remark(self, sums: Statistics) -> str:
        confusion = sums["confusion"]
        return f"mIoU over {classes_present(confusion)} of {len(confusion)} classes"


def classes_present(confusion: NDArray[Any]) -> int:
    """How many classes the mean IoU of a confusion matrix [K, K] runs over."""
    return int(((confusion.sum(0) + confusion.sum(1)) > 0).sum())
