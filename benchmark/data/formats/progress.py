"""How far a long preparation is: silence when quick, a bar on a terminal, one line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_PATIENCE = 2.0
"""Seconds after which silence would be rude."""


class Counter:
    """Counts finished images, and speaks up once it takes long."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._start = time.monotonic()
        self._bar: Progress | None = None
        self._told = False

    def add(self, images: int) -> None:
        """Note that `images` more are finished."""
        self._done += images
        elapsed = time.monotonic() - self._start
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self._done)
        elif elapsed > _PATIENCE and self._done < self._total and not self._told:
            self._told = True
            self._speak(elapsed * (self._total / self._done - 1))

    def _speak(self, left: float) -> None:
        if sys.stderr.isatty():
            self._bar = Progress(TextColumn("{task.description}"), BarColumn(),
                                 MofNCompleteColumn(), TimeRemainingColumn(),
                                 console=Console(stderr=True), transient=True)
            self._bar.add_task(self._what, total=self._total, completed=self._done)
            self._bar.start()
        else:
            print(f"{self._what}: {self._total} images, about {left:.0f} s left", file=sys.stderr)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()


@contextmanager
def counting(what: str, total: int) -> Iterator[Counter]:
    """A counter of `total` images that cleans up after itself."""
    counter = Counter(what, total)
    try:
        yield counter
    finally:
        counter.close()
