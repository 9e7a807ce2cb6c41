"""What a sweep shows while it works: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchmark.sweep.progress import Progress, RunEvent

_LASTING = 8
"""Lines of runs that have ended, kept above the running ones."""
_COLOURS = {"done": "green", "failed": "red", "busy": "yellow"}


class Screen(Protocol):
    """Shows events while a sweep lasts."""

    def __init__(self, console: Console, progress: Progress) -> None: ...

    def __enter__(self) -> Screen: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None: ...

    def show(self, event: RunEvent) -> None: ...


class LineScreen:
    """One line when a run begins and one when it ends."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console, self._progress = console, progress

    def __enter__(self) -> LineScreen:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        return None

    def show(self, event: RunEvent) -> None:
        """Tell of a run that begins or has ended."""
        number, runs = self._progress.number(event.run), len(self._progress.latest)
        name = f"[{number}/{runs}] {event.run.request}"
        if event.state != "running":
            told = f"{name}: {event.state} in {duration(event.seconds)}"
            left = self._progress.seconds_left()
            told += f", about {duration(left)} left" if left else ""
        elif not event.position:
            told = f"{name}: begins"
        else:
            return
        self._console.print(told, markup=False, soft_wrap=True)


class TableScreen:
    """Running runs with bars, the last ones that ended, and the time left."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._progress, self._ended = progress, list[RunEvent]()
        self._begun: dict[str, float] = {}
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._picture)

    def __enter__(self) -> TableScreen:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._live.stop()

    def show(self, event: RunEvent) -> None:
        """Take in an event; the table is drawn from the progress."""
        if event.state == "running":
            self._begun.setdefault(event.run.run_id, time.monotonic())
        else:
            self._ended.append(event)

    def _picture(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("run", "state", "", ""):
            table.add_column(heading, no_wrap=True)
        table.add_column("time", justify="right")
        for event in self._ended[-_LASTING:]:
            table.add_row(str(event.run.request), Text(event.state, _COLOURS[event.state]), "", "",
                          duration(event.seconds))
        for event in self._progress.running:
            begun = self._begun.get(event.run.run_id, time.monotonic())
            table.add_row(str(event.run.request), "running",
                          ProgressBar(total=1, completed=event.fraction, width=20), event.position,
                          duration(time.monotonic() - begun))
        return Group(table, Text(self._summary()))

    def _summary(self) -> str:
        counts, left = self._progress.counts(), self._progress.seconds_left()
        told = [f"{counts['done']} of {len(self._progress.latest)} done"]
        told += [f"{counts[state]} {state}" for state in ("failed", "busy") if counts[state]]
        told += [f"about {duration(left)} left"] if left else []
        return ", ".join(told)


def duration(seconds: float) -> str:
    """Seconds as a reader takes them in: `48 s`, `12 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
