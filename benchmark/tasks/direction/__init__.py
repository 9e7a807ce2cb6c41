"""The task kind 'direction': a unit vector per pixel, such as the surface normal."""

from benchmark.tasks.kind import TaskKind

KIND = TaskKind("direction", __name__, spec=".spec:DirectionSpec",
                metrics=".metrics:DirectionMetrics", losses=".losses:DirectionLosses",
                appearance=".appearance:DirectionAppearance")
