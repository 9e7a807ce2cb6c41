"""Flow: two channels, x to the right and y down, from npy files; NaN is invalid."""

from __future__ import annotations

from benchmark.tasks.kind import KindSpec
from benchmark.tasks.task import Task


class FlowSpec(KindSpec):
    """Displacements in pixels."""

    channels = 2
    file_encodings = ("npy",)
    file_options = frozenset({"scale", "offset", "invalid"})

    def statistics_unit(self, task: Task) -> str:
        return "px"
