"""What runs and sweeps show while they work: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchmark.cli.output import metric_text
from benchmark.engine.callbacks import Callback
from benchmark.engine.trainer import EpochReport, PhaseTrainer
from benchmark.sweep.progress import RunEvent, SweepProgress

_ENDED_SHOWN = 8
"""Rows of runs that have ended, kept above the running ones."""
_COLOURS = {"done": "green", "failed": "red", "elsewhere": "yellow", "left": "yellow"}
_WORDS = {"elsewhere": "running elsewhere", "left": "left off"}
"""What to say of states whose names do not say it."""


class Display:
    """A context that may hold the terminal for as long as it lasts."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        return None


# -- one run ---------------------------------------------------------------------------------


class RunDisplay(Display, Callback):
    """What a run does, on a console; metrics are printed after each phase."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def resumes(self, phase: int, epochs_done: int) -> None:
        self.console.print(f"going on in phase {phase} after epoch {epochs_done}" if epochs_done
                           else f"going on with phase {phase}", highlight=False)

    def evaluated(self, phase: int, values: dict[str, dict[str, float | None]]) -> None:
        text = "  ".join(f"{task} {name} {metric_text(value)}" for task, metrics in values.items()
                         for name, value in list(metrics.items())[:1])
        self.console.print(f"after phase {phase}: {text}", soft_wrap=True)

    def warns(self, message: str) -> None:
        self.console.print(f"lhlbench: warning: {message}", soft_wrap=True)


class RunLines(RunDisplay):
    """One line per phase, for logs."""

    def phase_begins(self, number: int, phases: int, trainer: PhaseTrainer) -> None:
        self.console.print(f"phase {number}/{phases}: {trainer.phase.label}, "
                           f"{len(trainer.phase.data)} images, "
                           f"{trainer.recipe.epochs} epochs")


class RunBars(RunDisplay):
    """One bar per phase with losses per task, images/s and time left."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        name, rate, losses = (TextColumn(f"{{task.{field}}}", markup=False) for field in (
            "description", "fields[rate]", "fields[losses]"))
        self._bars = Progress(name, BarColumn(bar_width=24), rate, TimeRemainingColumn(), losses,
                              console=console)
        self._bar: TaskID | None = None
        self._drawn = 0.0
        self._images = 0

    def __enter__(self) -> Self:
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


# -- a sweep ---------------------------------------------------------------------------------


class SweepDisplay(Display):
    """What the runs of a sweep do, on a console."""

    def __init__(self, console: Console, progress: SweepProgress) -> None:
        self.console, self.progress = console, progress

    def show(self, event: RunEvent) -> None:
        """Show an event that `progress` has taken in."""


class SweepLines(SweepDisplay):
    """One line when a run begins or goes on, warns and ends."""

    def __init__(self, console: Console, progress: SweepProgress) -> None:
        super().__init__(console, progress)
        self._begun = set[str]()
        """Runs that have begun and have not said yet where they go on."""

    def show(self, event: RunEvent) -> None:
        number, runs = self.progress.number(event.run), len(self.progress.latest)
        name = f"[{number}/{runs}] {event.run.request}"
        if event.warning:
            text = f"{name}: warning: {event.warning}"
        elif event.state != "running":
            left = self.progress.seconds_left()
            took = f" in {duration(event.seconds)}" if event.seconds else ""
            text = (f"{name}: {_WORDS.get(event.state, event.state)}{took}"
                    + (f", about {duration(left)} left" if left else ""))
        elif not event.position:
            self._begun.add(event.run.run_id)
            text = f"{name}: begins"
        elif event.run.run_id in self._begun:
            self._begun.remove(event.run.run_id)
            if not event.fraction:
                return
            text = f"{name}: goes on after {event.position}"
        else:
            return
        self.console.print(text, soft_wrap=True)


class SweepTable(SweepDisplay):
    """A live table: running runs with bars, the last ones that ended, and the time left."""

    def __init__(self, console: Console, progress: SweepProgress) -> None:
        super().__init__(console, progress)
        self._ended = list[RunEvent]()
        self._begun: dict[str, float] = {}
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._table)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._live.stop()

    def show(self, event: RunEvent) -> None:
        if event.warning:
            self.console.print(f"{event.run.request}: warning: {event.warning}", markup=False,
                               soft_wrap=True)
        if event.state == "running":
            self._begun.setdefault(event.run.run_id, time.monotonic())
        else:
            self._ended.append(event)

    def _table(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("run", "state", "", ""):
            table.add_column(heading, no_wrap=True)
        table.add_column("time", justify="right")
        for event in self._ended[-_ENDED_SHOWN:]:
            table.add_row(str(event.run.request), Text(_WORDS.get(event.state, event.state),
                                                            _COLOURS[event.state]), "", "",
                          duration(event.seconds))
        for event in self.progress.running:
            begun = self._begun.get(event.run.run_id, time.monotonic())
            table.add_row(str(event.run.request), "running",
                          ProgressBar(total=1, completed=event.fraction, width=20), event.position,
                          duration(time.monotonic() - begun))
        return Group(table, Text(self._summary()))

    def _summary(self) -> str:
        counts, left = self.progress.counts(), self.progress.seconds_left()
        parts = [f"{counts['done']} of {len(self.progress.latest)} done"]
        parts += [f"{counts[state]} {_WORDS.get(state, state)}" for state in ("failed", "elsewhere")
                  if counts[state]]
        parts += [f"about {duration(left)} left"] if left else []
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds in a unit easy to read: `48 s`, `12 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
