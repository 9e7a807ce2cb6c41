"""Flow: the end-point error, the length of the difference of predicted and true displacement."""

from __future__ import annotations

from benchmark.tasks.metric import KindMetrics, Metric, Statistic, Statistics, Values, ratio
from benchmark.tasks.task import Task

NEAR = 1.0
"""Pixels: a displacement is near when its end-point error is below."""


class FlowMetrics(KindMetrics):
    """Mean end-point error, and the share of pixels that are near."""

    titles = {"epe": "end-point error", "near": "< 1 px"}

    def metrics(self, task: Task) -> tuple[Metric, ...]:
        return (Metric("epe", "px", False, True, "flow.epe"),
                Metric("near", "%", True, False, "flow.near"))

    def statistics(self, task: Task) -> tuple[Statistic, ...]:
        return (Statistic("pixels", "int64", "valid pixels"),
                Statistic("error", "float64", "sum of end-point errors in px"),
                Statistic("near", "int64", f"pixels with an error < {NEAR:g} px"))

    def values(self, sums: Statistics) -> dict[str, Values]:
        return {"epe": ratio(sums["error"], sums["pixels"]),
                "near": 100 * ratio(sums["near"], sums["pixels"])}

    def remark(self, sums: Statistics) -> str:
        return f"end-point error over {int(sums['pixels'])} pixels"
