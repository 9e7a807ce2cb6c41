"""How a run is carried out and watched; nothing here changes a number on CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark.data.loading.array_loader import Preload
from benchmark.data.sources.source import DataPaths
from benchmark.engine.trainer import EpochReport, PhaseTrainer
from benchmark.errors import RunError


class Callback:
    """Told what a run is doing; the command line shows it, a library user may ignore it."""

    def phase_begins(self, number: int, phases: int, trainer: PhaseTrainer) -> None:
        """A phase is about to be trained, or gone on with after `trainer.epochs_done` epochs."""

    def step(self, epoch: int, images: int, seconds: float) -> None:
        """So many images and seconds into an epoch."""

    def epoch_ends(self, report: EpochReport) -> None:
        """An epoch is done."""

    def evaluated(self, phase: int, values: dict[str, dict[str, float | None]]) -> None:
        """Metrics of every task learnt so far."""


def _never(phase: int, epoch: int) -> bool:
    return False


@dataclass(frozen=True)
class Options:
    """How a plan is carried out."""

    runs: Path
    data_paths: DataPaths
    device: str = "auto"
    preload: Preload = "auto"
    overwrite: bool = False
    command: str = ""
    checkpoint_seconds: float = 30.0
    """Least time between two checkpoints inside a phase; every phase ends with one."""
    stop_when: Callable[[int, int], bool] = _never
    """Asked after each save with (phase, epoch; 0 when the phase is done): leave off now?"""


class Stopped(RunError):
    """The run left off on request; the same request goes on from there."""
