"""Finetune: learn the new task, do nothing for the old ones."""

from benchmark.method import Method


class Finetune(Method):
    """The naive baseline: minimise the new task's loss over backbone and new head."""

    name = "finetune"
    summary = "learns each task in turn and does nothing against forgetting"
    family = "reference"
