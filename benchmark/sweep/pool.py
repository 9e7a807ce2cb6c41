"""A pool of processes, one for each run of a sweep.

Processes are forked from a server that has imported torch once, so that each run starts at once,
has its own peak memory, and ends no other run when it crashes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import cast

import torch

from benchmark.engine.callbacks import Callback
from benchmark.engine.execute import execute
from benchmark.engine.options import Options
from benchmark.engine.plan import make_plan
from benchmark.engine.trainer import EpochReport, PhaseTrainer
from benchmark.errors import Busy, LhlbenchError, RequestError, Terminated
from benchmark.sweep.progress import RunEvent
from benchmark.sweep.status import PlannedRun, State, config_digest

_GRACE = 10.0
"""Seconds a process has to clean up after SIGTERM, before it is killed."""

Message = tuple[State, float, str, str]
"""What a process sends: state, fraction and position of a `RunEvent`, and its reason."""


def run_all(runs: Sequence[PlannedRun], options: Options, workers: int,
            threads: int | None = None, option_words: Sequence[str] = (),
            ) -> Generator[RunEvent, None, None]:
    """Carry out all runs, `workers` at a time, and yield what happens.

    Each record names the command of its run alone, which ends in `option_words`. `threads` are
    torch's in each process. Closing the generator stops the runs under way; carried out again,
    they go on from their checkpoints.
    """
    waiting = deque(runs)
    running: dict[Connection, _RunProcess] = {}
    with tempfile.TemporaryDirectory(prefix="lhlbench-sweep-") as folder:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    run = waiting.popleft()
                    own = replace(options, command=run.request.command(option_words))
                    process = _RunProcess(run, own, threads, Path(folder))
                    running[process.connection] = process
                for connection in wait(list(running)):
                    process = running[cast(Connection, connection)]
                    event = process.receive()
                    if event.state != "running":
                        del running[process.connection]
                    yield event
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.join()


class _RunProcess:
    """The process of one run, seen from the sweep."""

    def __init__(self, run: PlannedRun, options: Options, threads: int | None,
                 folder: Path) -> None:
        self.run, self._begun = run, 0.0
        self._output = folder / f"{run.run_id}.txt"
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_carry_out, daemon=True, name=run.run_id,
                                        args=(theirs, run, options, threads, self._output))
        with _ignoring_interrupts():
            self._process.start()
        theirs.close()

    def receive(self) -> RunEvent:
        """Wait for the next message; a process that ended without one has failed."""
        try:
            state, fraction, position, reason = self.connection.recv()
            event = RunEvent(self.run, state, fraction, position, reason)
            self._begun = self._begun or time.monotonic()
        except (EOFError, OSError):
            event = RunEvent(self.run, "failed", reason=self._cause_of_death())
        if event.state != "running":
            self.join()
        return replace(event, seconds=time.monotonic() - self._begun if self._begun else 0.0)

    def terminate(self) -> None:
        """Ask the process to stop; `join` waits until it has."""
        self._process.terminate()

    def join(self) -> None:
        """Wait for the process to end, and kill it when it takes too long."""
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()
        self._output.unlink(missing_ok=True)

    def _cause_of_death(self) -> str:
        self._process.join(_GRACE)
        code = self._process.exitcode
        cause = f"ended with exit code {code}"
        if code is not None and code < 0:
            cause = f"was ended by signal {-code} ({signal.strsignal(-code)})"
            if -code == signal.SIGKILL:
                cause += ", perhaps for want of memory"
        printed = self._output.read_text(errors="replace") if self._output.exists() else ""
        last = next((line.strip() for line in reversed(printed.split("\n")) if line.strip()), "")
        return (f"its process {cause}{f'; its last words: {last[:300]}' if last else ''}; "
                "running it again goes on from its last checkpoint")


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Let processes started here ignore Ctrl-C; the sweep stops them itself."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _carry_out(connection: Connection, run: PlannedRun, options: Options, threads: int | None,
               output: Path) -> None:
    """Body of the process: carry out the run and send messages; prints go to the file `output`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _exit)
    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    connection.send(("running", 0.0, "", ""))
    if threads is not None:
        torch.set_num_threads(threads)
    connection.send(_outcome(connection, run, options))


def _outcome(connection: Connection, run: PlannedRun, options: Options) -> Message:
    try:
        plan = make_plan(run.request)
        if config_digest(plan) != run.config_digest:
            raise RequestError("its method or sequence was changed after the sweep had begun; "
                               "start the sweep again")
        execute(plan, options, _Messenger(connection))
        return "done", 1.0, "", ""
    except Busy as error:
        return "busy", 0.0, "", str(error)
    except LhlbenchError as error:
        return "failed", 0.0, "", str(error)
    except Exception as error:
        traceback.print_exc()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({frame.filename}, line {frame.lineno})"
        return "failed", 0.0, "", " ".join(reason.split())


class _Messenger(Callback):
    """Sends how far the run is, at the start of each phase and after every epoch."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._phase, self._phases, self._epochs = 1, 1, 1

    def phase_begins(self, number: int, phases: int, trainer: PhaseTrainer) -> None:
        self._phase, self._phases, self._epochs = number, phases, trainer.recipe.epochs
        self._send(trainer.epochs_done)

    def epoch_ends(self, report: EpochReport) -> None:
        self._send(report.epoch)

    def _send(self, epoch: int) -> None:
        fraction = (self._phase - 1 + epoch / self._epochs) / self._phases
        message: Message = ("running", fraction, f"phase {self._phase}/{self._phases}, "
                            f"epoch {epoch}/{self._epochs}", "")
        self._connection.send(message)


def _exit(number: int, frame: FrameType | None) -> None:
    raise Terminated(128 + number)  # an exception, so that half-written files are removed
