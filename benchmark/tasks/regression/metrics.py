"""Regression: absolute, squared and, for depth, relative errors of a map."""

from __future__ import annotations

import numpy as np

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

DELTA_1 = 1.25
"""A depth is near when max(p / g, g / p) < DELTA_1 (Eigen et al. 2014)."""

RELATIVE_ENCODINGS = ("depth", "inverse_depth")
"""Encodings whose values are positive lengths, so that a relative error means something."""


class RegressionMetrics(KindMetrics):
    """Errors of a pixel are means over its channels; `squared` is the mean squared error.

    `relative` and `delta1` run over `positive`, the valid pixels with a true value above 0; a
    prediction of 0 or below is never near. Errors too large for their sum leave it infinite, and
    the errors of the run undefined.
    """

    titles = {"abs": "abs error", "rmse": "RMSE", "rel": "rel error", "delta1": "δ1"}

    def metrics(self, task: Task) -> tuple[Metric, ...]:
        errors = (Metric("abs", task.unit, False, True, "regression.abs"),
                  Metric("rmse", task.unit, False, False, "regression.rmse"))
        if task.encoding not in RELATIVE_ENCODINGS:
            return errors
        inverse = "_inverse" if task.encoding == "inverse_depth" else ""
        return (*errors,
                Metric("rel", "", False, False, f"regression.rel{inverse}"),
                Metric("delta1", "%", True, False, "regression.delta1"))

    def statistics(self, task: Task) -> tuple[Statistic, ...]:
        base = (Statistic("pixels", "int64", "valid pixels"),
                Statistic("abs", "float64", "sum of |p - g|, in the unit of the map"),
                Statistic("squared", "float64", "sum of (p - g)^2"))
        if task.encoding not in RELATIVE_ENCODINGS:
            return base
        return (*base,
                Statistic("positive", "int64", "valid pixels with g > 0"),
                Statistic("relative", "float64", "sum of |p - g| / g over g > 0"),
                Statistic("delta1", "int64", f"pixels with g > 0, p > 0, max(p/g, g/p) < "
                          f"{DELTA_1}"))

    def values(self, sums: Statistics) -> dict[str, Values]:
        values = {"abs": ratio(sums["abs"], sums["pixels"]),
                  "rmse": np.sqrt(ratio(sums["squared"], sums["pixels"]))}
        if "relative" in sums:
            values["rel"] = ratio(sums["relative"], sums["positive"])
            values["delta1"] = 100 * ratio(sums["delta1"], sums["positive"])
        return values

    def recorded_task(self, recorded: Recorded, channels: int | None,
                      statistics: Statistics) -> Task:
        task = super().recorded_task(recorded, channels, statistics)
        formulas = {metric.formula for metric in recorded.metrics}
        encoding = ("inverse_depth" if "regression.rel_inverse" in formulas
                    else "depth" if "regression.rel" in formulas else "plain")
        return task.model_copy(update={"encoding": encoding})
