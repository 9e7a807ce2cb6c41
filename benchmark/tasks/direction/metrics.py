"""Direction: the angle between predicted and true unit vectors, in degrees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.metric import KindMetrics, Metric, Statistic, Statistics, Values, ratio
from benchmark.tasks.task import Task

ANGLE_THRESHOLDS = {"within_11": 11.25, "within_22": 22.5, "within_30": 30.0}
"""Statistic -> angle in degrees a pixel has to stay strictly below (Eigen and Fergus 2015)."""

BIN_WIDTH = 0.5
"""Width of a histogram bin in degrees: the median is at most this far from the middle angle, or
the lower of two."""

BINS = 360
"""Bin k holds angles in [k, k + 1) * BIN_WIDTH; the last one holds 180 degrees too."""


class DirectionMetrics(KindMetrics):
    """Angles of the pixels whose true vector is not zero.

    A prediction of length zero points nowhere: its angle counts as 90 degrees, whatever the truth.
    An angle that is nan counts in `pixels`, makes `angle` nan and falls into no bin and below no
    threshold: the median then treats it as worse than any angle.
    """

    titles = {"mean": "mean angle", "median": "median angle", "within_11_25": "< 11.25°",
              "within_22_5": "< 22.5°", "within_30": "< 30°"}

    def metrics(self, task: Task) -> tuple[Metric, ...]:
        return (Metric("mean", "deg", False, True, "direction.mean"),
                Metric("median", "deg", False, False, "direction.median"),
                Metric("within_11_25", "%", True, False, "direction.within"),
                Metric("within_22_5", "%", True, False, "direction.within"),
                Metric("within_30", "%", True, False, "direction.within"))

    def statistics(self, task: Task) -> tuple[Statistic, ...]:
        within = (Statistic(name, "int64", f"pixels with an angle < {limit:g} deg")
                  for name, limit in ANGLE_THRESHOLDS.items())
        return (Statistic("pixels", "int64", "valid pixels"),
                Statistic("angle", "float64", "sum of angles in degrees"),
                *within,
                Statistic("histogram", "int64", f"pixels per bin of {BIN_WIDTH:g} deg", (BINS,)))

    def values(self, sums: Statistics) -> dict[str, Values]:
        pixels = sums["pixels"]
        return {"mean": ratio(sums["angle"], pixels),
                "median": _median(sums["histogram"], pixels),
                "within_11_25": 100 * ratio(sums["within_11"], pixels),
                "within_22_5": 100 * ratio(sums["within_22"], pixels),
                "within_30": 100 * ratio(sums["within_30"], pixels)}


def _median(histogram: NDArray[Any], pixels: NDArray[Any]) -> Values:
    """Median angle of each histogram [G, BINS], as if the angles of a bin lay evenly in it.

    It lies in the bin of the middle angle, of an even number in that of the lower middle one; the
    usual median, the mean of the two, is as far from there as they are apart.
    """
    half = pixels / 2
    cumulative = histogram.cumsum(-1)
    index = (cumulative < half[:, None]).sum(-1)
    reached = index < BINS
    here = np.minimum(index, BINS - 1)[:, None]
    count = np.take_along_axis(histogram, here, -1)[:, 0]
    before = np.take_along_axis(cumulative, here, -1)[:, 0] - count
    angle = BIN_WIDTH * (here[:, 0] + ratio(half - before, count))
    return np.where(pixels > 0, np.where(reached, angle, np.inf), np.nan)
