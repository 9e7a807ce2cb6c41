"""Segmentation: which classes a task may have and how label files name them."""

from __future__ import annotations

from benchmark.tasks.kind import LabelSpec
from benchmark.tasks.stored import StoredValues
from benchmark.tasks.task import VOID, Task


class SegmentationSpec(LabelSpec):
    """Labels are class indices; a task has as many channels as classes."""

    file_options = LabelSpec.file_options | {"classes"}

    def check(self, task: Task) -> None:
        super().check(task)
        if not 2 <= task.channels < VOID:
            raise ValueError(f"segmentation task '{task.name}' needs 2 to {VOID - 1} classes")

    def check_files(self, stored: StoredValues) -> None:
        super().check_files(stored)
        if not 2 <= len(stored.classes) < VOID:
            raise ValueError(f"a segmentation needs classes: 2 to {VOID - 1} names, or "
                             "their number")

    def task_channels(self, stored: StoredValues) -> int:
        return len(stored.classes)
