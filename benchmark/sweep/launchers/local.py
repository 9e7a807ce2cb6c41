"""The local launcher: a pool of processes on this machine, one for each run.

Processes are forked from a server that has imported torch once, so that each run starts at once,
has its own peak memory, and ends no other run when it crashes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections import deque
from collections.abc import Generator, Iterable
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import cast

import torch

from benchmark.errors import RequestError
from benchmark.sweep import worker
from benchmark.sweep.launchers.launcher import LaunchSettings, threads_each
from benchmark.sweep.progress import RunEvent, RunObserver
from benchmark.sweep.worker import Assignment, Message, carry_out

_GRACE = 20.0
"""Seconds a process has to save its run after SIGTERM, before it is killed."""
_GPUS = "CUDA_VISIBLE_DEVICES"


def make(settings: LaunchSettings) -> LocalLauncher:
    """The launcher; raises `RequestError` for `--per-gpu` where no GPU is used."""
    return LocalLauncher(worker_gpus(settings))


def worker_gpus(settings: LaunchSettings) -> list[str | None]:
    """The GPU of each worker; None for a worker that needs none.

    Without `--workers` there is one worker, or as many as `per_gpu` says (1) on each GPU. Raises
    `RequestError` when `per_gpu` is given and no GPU is used.
    """
    gpus = _visible_gpus() if settings.device != "cpu" else []
    if not gpus:
        if settings.per_gpu:
            raise RequestError("--per-gpu: no GPU is used here; see lhlbench doctor")
        return [None] * (settings.workers or 1)
    if settings.workers and not settings.per_gpu:
        return [gpus[k % len(gpus)] for k in range(settings.workers)]
    slots = gpus * (settings.per_gpu or 1)
    return list(slots[:settings.workers])


def _visible_gpus() -> list[str]:
    if not torch.cuda.is_available():
        return []
    chosen = os.environ.get(_GPUS)
    return ([name.strip() for name in chosen.split(",")] if chosen
            else [str(k) for k in range(torch.cuda.device_count())])


class LocalLauncher:
    """A process for each run, as many at a time as there are `gpus`, whose entries are GPUs or
    None; `threads` are torch's in each, its share of the cores without."""

    def __init__(self, gpus: list[str | None], threads: int | None = None) -> None:
        self.workers = len(gpus)
        self._gpus = gpus
        self._threads = threads or threads_each(self.workers)

    def launch(self, assignments: Iterable[Assignment]) -> Generator[RunEvent, None, None]:
        """Carry out all assignments, taken one by one; see `Launcher.launch`."""
        waiting, free = iter(assignments), deque(self._gpus)
        running: dict[Connection, _RunProcess] = {}
        context = _ready_server()
        with tempfile.TemporaryDirectory(prefix="lhlbench-sweep-") as folder:
            try:
                while True:
                    while free and (assignment := next(waiting, None)):
                        process = _RunProcess(context, assignment, Path(folder))
                        running[process.connection] = process
                        process.start(self._threads, free.popleft())
                    if not running:
                        return
                    for connection in wait(list(running)):
                        process = running[cast(Connection, connection)]
                        event = process.receive()
                        if event.state != "running":
                            del running[process.connection]
                            free.append(process.gpu)
                        yield event
            finally:
                _end(running.values())


def _ready_server() -> ForkServerContext:
    """The server that processes are forked from, once it has imported what runs need.

    Signals of the keyboard and of a terminal that closes go to every process of the terminal: the
    server, and all that it forks, is born with them blocked, since the sweep ends its processes
    itself. The wait for it, seconds long, can be interrupted.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([worker.__name__])
    resource_tracker.ensure_running()  # unblocks signals, so it comes first
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    first = context.Process(target=_nothing, daemon=True)
    first.start()
    first.join()
    return context


def _nothing() -> None:
    """Body of a process that is only to show that the server answers."""


def _end(processes: Iterable[_RunProcess]) -> None:
    """Ask all processes to stop, and kill those that take too long; interrupted, kill all."""
    processes = list(processes)
    try:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
    finally:
        for process in processes:
            process.kill()


class _RunProcess:
    """The process of one run, seen from the sweep."""

    def __init__(self, context: ForkServerContext, assignment: Assignment, folder: Path) -> None:
        self._assignment = assignment
        self._observer = RunObserver(assignment.run)
        self._output = folder / f"{assignment.run.run_id}.txt"
        self._context = context
        self.connection, self._theirs = context.Pipe()
        self._process: multiprocessing.process.BaseProcess | None = None
        self.gpu: str | None = None

    def start(self, threads: int | None, gpu: str | None) -> None:
        """Start the process. It begins only when this has returned: interrupted in between, it
        finds the connection closed and ends."""
        self.gpu = gpu
        process = self._context.Process(
            target=_body, daemon=True, name=self._assignment.run.run_id,
            args=(self._theirs, self._assignment, threads, gpu, self._output))
        process.start()
        self._process = process
        self._theirs.close()
        self.connection.send(True)

    def receive(self) -> RunEvent:
        """Wait for the next message; a process that ended without one has failed."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            message = Message("failed", reason=self._cause_of_death())
        if message.state != "running":
            self.join()
        return self._observer.event(message)

    def terminate(self) -> None:
        """Ask the process to stop; `join` waits until it has."""
        if self._process is not None:
            self._process.terminate()

    def join(self) -> None:
        """Wait for the process to end, and kill it when it takes too long."""
        if self._process is not None:
            self._process.join(_GRACE)
        self.kill()

    def kill(self) -> None:
        """End the process at once, if it has not ended, and drop what belongs to it."""
        if self._process is not None and self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()
        self._output.unlink(missing_ok=True)

    def _cause_of_death(self) -> str:
        assert self._process is not None
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


def _body(connection: Connection, assignment: Assignment, threads: int | None, gpu: str | None,
          output: Path) -> None:
    """Body of the process: carry out the run and send messages; prints go to the file `output`."""
    try:
        connection.recv()
    except (EOFError, OSError):
        return
    if gpu is not None:
        os.environ[_GPUS] = gpu
    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    carry_out(assignment, threads, connection.send)
