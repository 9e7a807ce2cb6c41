"""A task kind from outside: optical flow, a displacement in pixels for every pixel."""

from benchmark.tasks.kind import TaskKind

KIND = TaskKind("flow", __name__, spec=".spec:FlowSpec", metrics=".metrics:FlowMetrics",
                losses=".losses:FlowLosses", appearance=".appearance:FlowAppearance")
