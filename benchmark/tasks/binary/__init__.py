"""The task kind 'binary': a yes or no per pixel, such as edges and saliency."""

from benchmark.tasks.kind import TaskKind

KIND = TaskKind("binary", __name__, spec=".spec:BinarySpec",
                metrics=".metrics:BinaryMetrics", losses=".losses:BinaryLosses",
                appearance=".appearance:BinaryAppearance")
