"""What happens in the process of one run, whichever launcher started it."""

from __future__ import annotations

import math
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmark.engine.callbacks import Callback
from benchmark.engine.execute import execute
from benchmark.engine.options import Options, Stopped
from benchmark.engine.plan import make_plan
from benchmark.engine.stopping import StopSignals
from benchmark.engine.trainer import EpochReport, PhaseTrainer
from benchmark.errors import Busy, LhlbenchError, RequestError, SignalReceived, Terminated
from benchmark.sweep.status import PlannedRun, State, config_digest


@dataclass(frozen=True)
class Deadline:
    """A time after which no run is begun, and those under way save their state and leave off."""

    at: float = math.inf
    """Seconds since the epoch."""

    def passed(self) -> bool:
        """Whether it is over."""
        return time.time() >= self.at


NO_DEADLINE = Deadline()


@dataclass(frozen=True)
class Assignment:
    """A run with all that a worker needs to carry it out, on this machine or another."""

    run: PlannedRun
    options: Options
    directory: Path
    """Working directory, which relative paths start from."""
    deadline: Deadline = NO_DEADLINE


@dataclass(frozen=True)
class Message:
    """What a worker reports of its run."""

    state: State
    """running, or how it ended."""
    fraction: float = 0.0
    """Share of its training that is done, 0 to 1."""
    position: str = ""
    """Such as `phase 2/3, epoch 4/12`; empty as it begins."""
    reason: str = ""
    """Why it failed, is left or is elsewhere."""
    warning: str = ""
    """Something is not as it should be, and the run goes on."""


Send = Callable[[Message], object]


def carry_out(assignment: Assignment, threads: int | None, send: Send) -> Message:
    """Carry out a run and send messages; the last, which is also returned, is how it ended.

    `threads` are torch's; None leaves its own number. A signal makes the run save its state and
    leave off. Where a message cannot be sent, because nobody is there to read it, the run leaves
    off and `Terminated` is raised. For the main thread only.
    """
    def sent(message: Message) -> Message:
        try:
            send(message)
        except OSError:
            raise Terminated(1) from None
        return message

    os.chdir(assignment.directory)
    if threads is not None:
        torch.set_num_threads(threads)
    if assignment.deadline.passed():
        return sent(Message("left", reason="the time was up"))
    try:
        with _StopRequests(assignment.deadline) as stop:
            sent(Message("running"))
            last = _outcome(assignment, stop, sent)
    except SignalReceived as error:
        last = Message("left", reason=f"stopped by signal {error.number}")
    return sent(last)


class _StopRequests(StopSignals):
    """Signals, and the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    @property
    def made(self) -> bool:
        return self.received is not None or self._deadline.passed()


def _outcome(assignment: Assignment, stop: StopSignals, send: Send) -> Message:
    run = assignment.run
    options = replace(assignment.options, stop=stop)
    try:
        plan = make_plan(run.request)
        if config_digest(plan) != run.config_digest:
            raise RequestError("its method or sequence was changed after the sweep had begun; "
                               "start the sweep again")
        execute(plan, options, _Reporter(send))
        return Message("done", 1.0)
    except Stopped as error:
        return Message("left", reason=str(error))
    except Busy as error:
        return Message("elsewhere", reason=str(error))
    except LhlbenchError as error:
        return Message("failed", reason=str(error))
    except Exception as error:
        traceback.print_exc()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({frame.filename}, line {frame.lineno})"
        return Message("failed", reason=" ".join(reason.split()))


class _Reporter(Callback):
    """Sends how far the run is at the start of each phase and after every epoch, and warnings."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._phase, self._phases, self._epochs = 1, 1, 1
        self._latest = Message("running")

    def phase_begins(self, number: int, phases: int, trainer: PhaseTrainer) -> None:
        self._phase, self._phases, self._epochs = number, phases, trainer.recipe.epochs
        self._report(trainer.epochs_done)

    def epoch_ends(self, report: EpochReport) -> None:
        self._report(report.epoch)

    def warns(self, message: str) -> None:
        self._send(replace(self._latest, warning=message))

    def _report(self, epoch: int) -> None:
        self._latest = Message(
            "running", (self._phase - 1 + epoch / self._epochs) / self._phases,
            f"phase {self._phase}/{self._phases}, epoch {epoch}/{self._epochs}")
        self._send(self._latest)
