"""What a run shows while it works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from benchmark.cli.output import metric_text
from benchmark.engine.callbacks import Callback
from benchmark.engine.trainer import EpochReport, PhaseTrainer


class ScreenCallback(Callback):
    """A callback that may hold the screen while the run lasts."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __enter__(self) -> ScreenCallback:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        return None

    def evaluated(self, phase: int, values: dict[str, dict[str, float | None]]) -> None:
        told = "  ".join(f"{task} {name} {metric_text(value)}" for task, metrics in values.items()
                         for name, value in list(metrics.items())[:1])
        self.console.print(f"after phase {phase}: {told}", highlight=False, soft_wrap=True)


class LineCallback(ScreenCallback):
    """One line per phase, for logs."""

    def phase_begins(self, number: int, phases: int, trainer: PhaseTrainer) -> None:
        resumed = f", going on after epoch {trainer.epochs_done}" if trainer.epochs_done else ""
        self.console.print(f"phase {number}/{phases}: {trainer.phase.label}, "
                           f"{len(trainer.phase.data)} images, "
                           f"{trainer.recipe.epochs} epochs{resumed}", highlight=False)


class ProgressCallback(ScreenCallback):
    """One bar per phase with losses per task, images/s and time left."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bars = Progress(TextColumn("{task.description}"), BarColumn(bar_width=24),
                              TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
                              TextColumn("{task.fields[losses]}"), console=console)
        self._bar: TaskID | None = None
        self._drawn = 0.0
        self._images = 0

    def __enter__(self) -> ProgressCallback:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._bars.stop()

    def phase_begins(self, number: int, phases: int, trainer: PhaseTrainer) -> None:
        self._images = trainer.phase.data.images_per_epoch
        self._bar = self._bars.add_task(
            f"phase {number}/{phases} {trainer.phase.label}",
            total=trainer.recipe.epochs * self._images,
            completed=trainer.epochs_done * self._images, rate="", losses="")

    def step(self, epoch: int, images: int, seconds: float) -> None:
        now = time.monotonic()
        if self._bar is not None and now - self._drawn > 0.2:
            self._drawn = now
            self._bars.update(self._bar, completed=(epoch - 1) * self._images + images,
                              rate=f"{images / seconds:.0f} images/s")

    def epoch_ends(self, report: EpochReport) -> None:
        if self._bar is not None:
            losses = "  ".join(f"{name} {value:.3f}" for name, value in report.losses.items())
            self._bars.update(self._bar, completed=report.epoch * self._images, losses=losses,
                              rate=f"{report.images_per_second:.0f} images/s")
