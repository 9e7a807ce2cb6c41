"""Progress of a sweep: the latest event of every run, and the time left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.sweep.status import PlannedRun, State
from benchmark.sweep.worker import Message


@dataclass(frozen=True)
class RunEvent:
    """A change in one run: it began, an epoch ended, it warned, or it ended."""

    run: PlannedRun
    state: State
    """running, or how it ended."""
    fraction: float = 0.0
    """Share of its training that is done, 0 to 1."""
    position: str = ""
    """Such as `phase 2/3, epoch 4/12`; empty as it begins."""
    reason: str = ""
    """Why it failed, is left or is elsewhere."""
    warning: str = ""
    """What the run warned of."""
    seconds: float = 0.0
    """Time since it began; zero of a run that was carried out elsewhere."""


class RunObserver:
    """Turns what the worker of one run reports into events."""

    def __init__(self, run: PlannedRun) -> None:
        self.run = run
        self._begun: float | None = None

    def event(self, message: Message) -> RunEvent:
        """The event of a message that has just come."""
        if self._begun is None:
            self._begun = time.monotonic()
        return RunEvent(self.run, message.state, message.fraction, message.position,
                        message.reason, message.warning, time.monotonic() - self._begun)


class SweepProgress:
    """The latest event of every run that a sweep carries out, by run id."""

    def __init__(self, runs: Iterable[PlannedRun], workers: int) -> None:
        self.latest = {run.run_id: RunEvent(run, "left") for run in runs}
        self.workers = workers
        self._numbers = {run_id: number for number, run_id in enumerate(self.latest, start=1)}

    def update(self, event: RunEvent) -> None:
        """Take in an event."""
        self.latest[event.run.run_id] = event

    def number(self, run: PlannedRun) -> int:
        """Position of a run in the sweep, counted from 1."""
        return self._numbers[run.run_id]

    @property
    def running(self) -> list[RunEvent]:
        """The latest events of the runs that are under way."""
        return [event for event in self.latest.values() if event.state == "running"]

    def counts(self) -> Counter[str]:
        """Number of runs in each state."""
        return Counter(event.state for event in self.latest.values())

    def seconds_left(self) -> float | None:
        """Expected seconds until all runs have ended; None before one is done.

        Each run is expected to take the mean time of those done, less the fraction it has done.
        Workers share the runs that are left, but no single run is shared.
        """
        done = [event.seconds for event in self.latest.values()
                if event.state == "done" and event.seconds]
        if not done:
            return None
        left = [1 - event.fraction for event in self.latest.values()
                if event.state in ("left", "running")]
        runs = max(sum(left) / self.workers, max(left, default=0.0))
        return runs * sum(done) / len(done)
