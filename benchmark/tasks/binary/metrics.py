"""Binary maps (edges, saliency): F-measure over thresholds and balanced cross-entropy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.metric import KindMetrics, Metric, Statistic, Statistics, Values, ratio
from benchmark.tasks.task import Task

THRESHOLDS = tuple(k / 100 for k in range(1, 100))
"""Probabilities from which on (p >= threshold) a pixel is predicted positive."""


class BinaryMetrics(KindMetrics):
    """Counts and negative log-likelihoods of the pixels that are not void."""

    titles = {"f_max": "max F", "balanced_bce": "balanced BCE"}

    def metrics(self, task: Task) -> tuple[Metric, ...]:
        return (Metric("f_max", "%", True, True, "binary.f_max"),
                Metric("balanced_bce", "nats", False, False, "binary.balanced_bce"))

    def statistics(self, task: Task) -> tuple[Statistic, ...]:
        each = (len(THRESHOLDS),)
        return (Statistic("positives", "int64", "pixels that are 1"),
                Statistic("negatives", "int64", "pixels that are 0"),
                Statistic("true_positive", "int64", "pixels that are 1 with p >= threshold", each),
                Statistic("predicted", "int64", "pixels with p >= threshold", each),
                Statistic("nll_positive", "float64", "sum of -log p over pixels that are 1"),
                Statistic("nll_negative", "float64", "sum of -log(1 - p) over pixels that are 0"))

    def values(self, sums: Statistics) -> dict[str, Values]:
        positives = sums["positives"]
        marked = sums["predicted"] + positives[:, None]
        f_best = ratio(2 * sums["true_positive"], marked).max(-1)
        bce = (ratio(sums["nll_positive"], positives)
               + ratio(sums["nll_negative"], sums["negatives"])) / 2
        # Without a positive pixel every prediction has F 0, which says nothing about it.
        return {"f_max": np.where(positives > 0, 100 * f_best, np.nan), "balanced_bce": bce}

    def group_counts(self, sums: Statistics) -> tuple[NDArray[Any], NDArray[Any]]:
        yes, no = sums["positives"], sums["negatives"]
        predicted = sums["predicted"][THRESHOLDS.index(0.5)]
        return np.array([yes + no - predicted, predicted]), np.array([no, yes])
