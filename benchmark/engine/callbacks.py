"""What a run reports while it works."""

from __future__ import annotations

import sys

from benchmark.engine.trainer import EpochReport, PhaseTrainer


class Callback:
    """Called as a run proceeds, to show or collect what it does; warnings are printed, the rest
    does nothing by default."""

    def resumes(self, phase: int, epochs_done: int) -> None:
        """The run goes on from what an earlier process saved: in phase `phase`, counted from 1,
        after `epochs_done` of its epochs."""

    def phase_begins(self, number: int, phases: int, trainer: PhaseTrainer) -> None:
        """Phase `number` of `phases` is about to be trained, or to be continued after
        `trainer.epochs_done` epochs."""

    def step(self, epoch: int, images: int, seconds: float) -> None:
        """A step is done, `images` images and `seconds` seconds into the epoch."""

    def epoch_ends(self, report: EpochReport) -> None:
        """An epoch is done."""

    def evaluated(self, phase: int, values: dict[str, dict[str, float | None]]) -> None:
        """All tasks learnt so far have been evaluated: `values[task][metric]`."""

    def warns(self, message: str) -> None:
        """Something is not as it should be, and the run goes on."""
        print(f"lhlbench: warning: {message}", file=sys.stderr)
