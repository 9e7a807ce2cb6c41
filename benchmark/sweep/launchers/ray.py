"""The Ray launcher: a task for each run, on a cluster that is there or on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Generator, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from benchmark.errors import RequestError
from benchmark.plug_ins import TASK_KINDS
from benchmark.sweep.launchers.launcher import LaunchSettings, cores
from benchmark.sweep.launchers.message_file import MessageReader, MessageWriter
from benchmark.sweep.progress import RunEvent, RunObserver
from benchmark.sweep.worker import Assignment, Message, carry_out

_PAUSE = 0.5
"""Seconds between two looks at the messages."""
_RETRIES = 5
"""Times a run is begun again, from its checkpoint, when its worker or its node dies."""
_GRACE = 20.0
"""Seconds runs have to leave off."""


def make(settings: LaunchSettings) -> RayLauncher:
    """The launcher, connected to a cluster. Raises `RequestError` for wrong settings, and for a
    cluster that does not answer or has no GPU where one is asked for."""
    resources = _resources(settings)
    _connect(settings.ray_address)
    gpus = settings.device != "cpu" and ray.cluster_resources().get("GPU", 0)
    if not gpus and (settings.device == "cuda" or settings.per_gpu):
        raise RequestError("--device cuda and --per-gpu: the Ray cluster has no GPU, or --device "
                           "cpu uses none")
    if gpus:
        resources.setdefault("num_gpus", 1 / (settings.per_gpu or 1))
    return RayLauncher(resources, settings.workers, settings.runs)


def _resources(settings: LaunchSettings) -> dict[str, float]:
    """What each run needs, as ray's `options` take it."""
    here = settings.workers if not settings.ray_address else None
    found: dict[str, float] = {"num_cpus": max(1, cores() // here) if here else 1}
    for key, value in settings.engine().items():
        if key not in ("num_cpus", "num_gpus", "memory"):
            raise RequestError(f"--ray {key}={value}: write num_cpus, num_gpus or memory (bytes)")
        try:
            found[key] = float(value)
        except ValueError:
            raise RequestError(f"--ray {key}={value}: write a number") from None
        if not 0 < found[key] < 1e15:
            raise RequestError(f"--ray {key}={value}: write a number above zero")
    return found


def _connect(address: str | None) -> None:
    """Connect to a cluster, or start one on this machine; signals go on meaning what they do."""
    if address and address != "auto":
        _require_answer(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    environment = {key: os.environ[key] for key in (TASK_KINDS,) if key in os.environ}
    where = {"address": address} if address else {
        "address": "local", "include_dashboard": False, "num_cpus": cores()}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**where, log_to_driver=False, logging_level="ERROR",
                 runtime_env={"env_vars": environment} if environment else None)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise RequestError(f"--ray-address {address}: {error}") from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _require_answer(address: str) -> None:
    """Raise `RequestError` when nothing listens at `HOST:PORT`; Ray tries for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise RequestError(f"--ray-address {address}: write HOST:PORT of the head node, or auto on "
                           "a node of the cluster")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise RequestError(f"--ray-address {address}: {error}; `ray start --head` says it"
                           ) from None


@dataclass(frozen=True)
class _Task:
    observer: RunObserver
    messages: MessageReader


class RayLauncher:
    """A Ray task for each run, as many at a time as the cluster has room for.

    Ray begins a run again where its worker or its node has died; it goes on from its checkpoint.
    """

    def __init__(self, resources: dict[str, float], workers: int | None, runs: Path) -> None:
        self._resources, self._most, self._runs = resources, workers, runs
        # Each run in a worker process of its own, so that its peak memory is its own.
        task = ray.remote(max_calls=1, max_retries=_RETRIES)(_work)
        self._task = task.options(**resources)

    @property
    def workers(self) -> int:
        """Runs that the cluster has room for now, or as many as the user says."""
        here = ray.cluster_resources()
        room = [here.get(name, 0) // self._resources[option]
                for name, option in (("CPU", "num_cpus"), ("GPU", "num_gpus"))
                if option in self._resources]
        return self._most or max(1, int(min(room)))

    def launch(self, assignments: Iterable[Assignment]) -> Generator[RunEvent, None, None]:
        """Carry out all assignments, taken as there is room; see `Launcher.launch`."""
        waiting = iter(assignments)
        running: dict[Any, _Task] = {}
        folder = Path(tempfile.mkdtemp(prefix=".ray-", dir=self._runs)).resolve()
        try:
            # Ray reports dead nodes at length on standard output, which is the command's own.
            with open(folder / "ray.txt", "w") as log, redirect_stdout(log):
                while True:
                    while len(running) < self.workers and (each := next(waiting, None)):
                        file = folder / f"{each.run.run_id}.jsonl"
                        task = self._task.remote(each, int(max(1, self._resources["num_cpus"])),
                                                 MessageWriter(file))
                        running[task] = _Task(RunObserver(each.run), MessageReader(file))
                    if not running:
                        return
                    ended, _ = ray.wait(list(running), timeout=_PAUSE)
                    for known in running.values():
                        for message in known.messages.receive():
                            yield known.observer.event(message)
                    for task in ended:
                        yield running.pop(task).observer.event(_ending(task))
        finally:
            for task in running:
                ray.cancel(task, force=False)
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=_GRACE)
            shutil.rmtree(folder, ignore_errors=True)


def _work(assignment: Assignment, threads: int, messages: MessageWriter) -> Message:
    """Body of a task: carry out the run, and return its last message."""
    def send(message: Message) -> None:
        if message.state == "running":
            messages.send(message)

    return carry_out(assignment, threads, send)


def _ending(task: Any) -> Message:
    """How a task that has ended did so."""
    try:
        message: Message = ray.get(task)
        return message
    except ray.exceptions.TaskCancelledError:
        return Message("left", reason="its Ray task was cancelled")
    except ray.exceptions.RayError as error:
        lines = [line.strip() for line in str(error).split("\n") if line.strip()]
        return Message("failed", reason=f"its Ray task failed: {lines[0]} ... {lines[-1]}; "
                       "running it again goes on from its last checkpoint")
