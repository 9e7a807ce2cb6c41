"""Progress of a sweep: the latest event of every run, and the time left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.sweep.status import PlannedRun, State


@dataclass(frozen=True)
class RunEvent:
    """A change in one run: it began, an epoch ended, or the run ended."""

    run: PlannedRun
    state: State
    """running, or how it ended."""
    fraction: float = 0.0
    """Share of its training that is done, 0 to 1."""
    position: str = ""
    """Such as `phase 2/3, epoch 4/12`; empty as it begins."""
    reason: str = ""
    """Why it failed or is busy."""
    seconds: float = 0.0
    """Time since it began."""


class SweepProgress:
    """The latest event of every run that a sweep carries out, by run id."""

    def __init__(self, runs: Iterable[PlannedRun], workers: int) -> None:
        self.latest = {run.run_id: RunEvent(run, "left") for run in runs}
        self.workers = workers

    def update(self, event: RunEvent) -> None:
        """Take in an event."""
        self.latest[event.run.run_id] = event

    def number(self, run: PlannedRun) -> int:
        """Position of a run in the sweep, counted from 1."""
        return list(self.latest).index(run.run_id) + 1

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
        done = [event.seconds for event in self.latest.values() if event.state == "done"]
        if not done:
            return None
        left = [1 - event.fraction for event in self.latest.values()
                if event.state in ("left", "running")]
        runs = max(sum(left) / self.workers, max(left, default=0.0))
        return runs * sum(done) / len(done)
