"""The runs of a sweep through a launcher, those that are under way elsewhere included."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.engine.options import Options
from benchmark.sweep.launchers.launcher import Launcher
from benchmark.sweep.progress import RunEvent
from benchmark.sweep.status import PlannedRun, look_up
from benchmark.sweep.worker import NO_DEADLINE, Assignment, Deadline

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Sweep:
    """How the runs of a sweep are carried out."""

    options: Options
    option_words: Sequence[str] = ()
    """Words that each record's command ends in."""
    deadline: Deadline = NO_DEADLINE
    wait: bool = True
    """Whether to wait for runs that are under way elsewhere, and take them over where they are
    left unfinished."""

    def run_all(self, runs: Sequence[PlannedRun],
                launcher: Launcher) -> Generator[RunEvent, None, None]:
        """Carry out all runs and yield what happens.

        A run that is under way elsewhere comes after the others: it counts as it ends there, and
        is carried out here when it is left unfinished. Closing the generator stops the runs under
        way; carried out again, they go on from their checkpoints.
        """
        elsewhere: list[PlannedRun] = []
        while runs:
            for event in self._launched(runs, launcher):
                if event.state == "elsewhere":
                    elsewhere.append(event.run)
                yield event
            runs = left = list[PlannedRun]()
            while elsewhere and not left and self.wait and not self.deadline.passed():
                time.sleep(_POLL_SECONDS)
                for run in elsewhere[:]:
                    now = look_up(run)
                    if now.state != "elsewhere":
                        elsewhere.remove(run)
                    if now.state == "left":
                        left.append(run)
                    elif now.state != "elsewhere":
                        yield RunEvent(run, now.state, reason=now.reason)

    def _launched(self, runs: Sequence[PlannedRun],
                  launcher: Launcher) -> Iterator[RunEvent]:
        ended: list[RunEvent] = []
        for event in launcher.launch(self._assignments(runs, ended)):
            yield from ended
            ended.clear()
            yield event
        yield from ended

    def _assignments(self, runs: Iterable[PlannedRun],
                     ended: list[RunEvent]) -> Iterator[Assignment]:
        """What is to be carried out when a worker is free for it; what another command has done
        meanwhile, or is at, goes to `ended`."""
        for run in runs:
            if self.deadline.passed():
                return
            now = look_up(run)
            if now.state in ("done", "elsewhere") or (now.state, run.state) == ("failed", "left"):
                ended.append(RunEvent(run, now.state, reason=now.reason))
                continue
            options = replace(self.options, command=run.request.command(self.option_words))
            yield Assignment(run, options, Path.cwd(), self.deadline)
