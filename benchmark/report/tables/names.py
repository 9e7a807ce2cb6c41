"""How metrics are called in tables and plots."""

from __future__ import annotations

from benchmark.record import MetricInfo, TaskInfo
from benchmark.report.runs.summary import heading
from benchmark.tasks.metric_values import metric_title


def metric_heading(task: TaskInfo, metric: MetricInfo) -> str:
    """`depth abs error (m) ↓`."""
    name = f"{task.name} {metric_title(metric.name)}"
    return heading(name, metric.unit, metric.higher_is_better)
