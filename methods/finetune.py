"""Finetune: train on each new task, without regard to the old ones."""

from benchmark.method import Method


class Finetune(Method):
    """The naive baseline: minimises the new task's loss over backbone and new head."""

    name = "finetune"
    summary = "learns each task in turn and does nothing against forgetting"
    family = "reference"
