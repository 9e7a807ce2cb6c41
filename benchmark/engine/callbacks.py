"""What a run reports while it works."""

from __future__ import annotations

from benchmark.engine.trainer import EpochReport, PhaseTrainer


class Callback:
    """Called as a run proceeds, to show or collect what it does; does nothing by default."""

    def phase_begins(self, number: int, phases: int, trainer: PhaseTrainer) -> None:
        """Phase `number` of `phases` is about to be trained, or to be continued after
        `trainer.epochs_done` epochs."""

    def step(self, epoch: int, images: int, seconds: float) -> None:
        """A step is done, `images` images and `seconds` seconds into the epoch."""

    def epoch_ends(self, report: EpochReport) -> None:
        """An epoch is done."""

    def evaluated(self, phase: int, values: dict[str, dict[str, float | None]]) -> None:
        """All tasks learnt so far have been evaluated: `values[task][metric]`."""

    def not_finite(self, phase: int, task: str, pixels: int) -> None:
        """After a phase, predictions of a task are infinite or NaN at `pixels` valid pixels: its
        metrics are undefined."""
