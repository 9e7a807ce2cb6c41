"""Tasks and task kinds; importing this package does not import torch."""

from benchmark.tasks.task import VOID, Task

__all__ = ["VOID", "Task"]
