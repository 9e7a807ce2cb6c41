"""How metrics are called in tables and plots."""

from __future__ import annotations

from benchmark.record import MetricInfo, TaskInfo
from benchmark.report.runs.summary import heading

METRIC_NAMES = {
    "miou": "mIoU", "pixel_accuracy": "pixel accuracy", "abs": "abs error", "rmse": "RMSE",
    "rel": "rel error", "delta1": "δ1", "mean": "mean angle", "median": "median angle",
    "within_11_25": "< 11.25°", "within_22_5": "< 22.5°", "within_30": "< 30°",
    "f_max": "max F", "balanced_bce": "balanced BCE",
}


def metric_heading(task: TaskInfo, metric: MetricInfo) -> str:
    """`depth abs error (m) ↓`."""
    name = f"{task.name} {METRIC_NAMES.get(metric.name, metric.name)}"
    return heading(name, metric.unit, metric.higher_is_better)
