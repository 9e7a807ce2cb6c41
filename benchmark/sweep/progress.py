"""Keeping count of a sweep: what ended how, and how long the rest will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.sweep.status import Entry, State


@dataclass(frozen=True)
class Event:
    """News of one run: it began, came further, or ended."""

    entry: Entry
    state: State
    """running, or how it ended."""
    share: float = 0.0
    """Of its training, 0 to 1."""
    where: str = ""
    """Such as `phase 2/3, epoch 4/12`."""
    reason: str = ""
    seconds: float = 0.0
    """Since it began."""


class Tally:
    """The latest news of every run that a sweep carries out, by run id."""

    def __init__(self, entries: Iterable[Entry], workers: int) -> None:
        self.news = {entry.run_id: Event(entry, "left") for entry in entries}
        self.workers = workers

    def take(self, event: Event) -> None:
        """Note an event."""
        self.news[event.entry.run_id] = event

    def number(self, entry: Entry) -> int:
        """Place of a run in the sweep, counted from 1."""
        return list(self.news).index(entry.run_id) + 1

    @property
    def running(self) -> list[Event]:
        return [event for event in self.news.values() if event.state == "running"]

    def counts(self) -> Counter[str]:
        """How many runs stand in each state."""
        return Counter(event.state for event in self.news.values())

    def seconds_left(self) -> float | None:
        """Expected seconds until all have ended; None before one is done.

        A run is expected to take as long as those done on average; what a running one has done of
        it is taken off. Workers share what is left, but no run is shared.
        """
        done = [event.seconds for event in self.news.values() if event.state == "done"]
        if not done:
            return None
        shares = [1 - event.share for event in self.news.values()
                  if event.state in ("left", "running")]
        runs = max(sum(shares) / self.workers, max(shares, default=0.0))
        return runs * sum(done) / len(done)
