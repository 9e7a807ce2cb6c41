"""The task kind 'regression': continuous maps such as depth, reshading and curvature."""

from benchmark.tasks.kind import TaskKind

KIND = TaskKind("regression", __name__, spec=".spec:RegressionSpec",
                metrics=".metrics:RegressionMetrics", losses=".losses:RegressionLosses")
