"""The task kind 'segmentation': one of several classes per pixel."""

from benchmark.tasks.kind import TaskKind

KIND = TaskKind("segmentation", __name__, spec=".spec:SegmentationSpec",
                metrics=".metrics:SegmentationMetrics", losses=".losses:SegmentationLosses",
                appearance=".appearance:SegmentationAppearance")
