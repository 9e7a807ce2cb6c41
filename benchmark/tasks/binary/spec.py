"""Binary maps: two labels, one channel."""

from __future__ import annotations

from benchmark.tasks.kind import LabelSpec
from benchmark.tasks.stored import StoredValues
from benchmark.tasks.task import Task

LABELS = ("no", "yes")


class BinarySpec(LabelSpec):
    """Labels are 0 and 1; the one channel is the logit of 1."""

    channels = 1

    def label_names(self, task: Task) -> tuple[str, ...]:
        return LABELS

    def label_count(self, stored: StoredValues) -> int:
        return len(LABELS)
