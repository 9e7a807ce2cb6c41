"""How a run is carried out; nothing here changes a number on CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.data.loading.array_loader import Preload
from benchmark.data.sources.source import DataPaths
from benchmark.engine.stopping import StopRequest
from benchmark.errors import RunError


def _never(phase: int, epoch: int) -> bool:
    return False


@dataclass(frozen=True)
class Options:
    """Folders, device and command of a run, and when it is checkpointed and left off."""

    runs: Path
    """Folder that holds, or will hold, the run's own folder."""
    data_paths: DataPaths
    device: str = "auto"
    preload: Preload = "auto"
    overwrite: bool = False
    """Whether to start again from nothing, even when the run is finished."""
    command: str = ""
    """The command line for the record."""
    checkpoint_seconds: float | None = None
    """Least time between two checkpoints inside a phase, every phase ends with one; by default what
    keeps their cost below 3 % of the training time."""
    stop_when: Callable[[int, int], bool] = _never
    """Called after each checkpoint with phase and epoch (0 when the phase is done); where it
    returns true, the run leaves off and `Stopped` is raised."""
    stop: StopRequest = field(default_factory=StopRequest)
    """Where one is made, the run saves its state as soon as it can and raises `Stopped`."""


class Stopped(RunError):
    """The run left off on request; the same request goes on from there."""
