"""The Slurm launcher: job arrays through submitit, requeued and resumed at their time limit."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import submitit

from benchmark.errors import RequestError
from benchmark.sweep.launchers.launcher import LaunchSettings
from benchmark.sweep.launchers.message_file import MessageReader, MessageWriter
from benchmark.sweep.progress import RunEvent, RunObserver
from benchmark.sweep.worker import Assignment, Message, carry_out

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two questions to Slurm."""
_PATIENCE = 20.0
"""Seconds the last message of a job that has left the queue may take over a network file system."""
_RETURN = 3.0
"""Seconds a job that is queued again may be out of the queue."""
_LONGEST_ARRAY = 1000
"""Slurm's default MaxArraySize is 1001."""
_TIMEOUTS = 1000
"""Time limits a run may reach; it goes on from its checkpoint after each."""
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


def make(settings: LaunchSettings) -> SlurmLauncher:
    """The launcher; raises `RequestError` where there is no Slurm, and for wrong settings."""
    if shutil.which("sbatch") is None:
        raise RequestError("--launcher slurm: there is no sbatch here; start the sweep where jobs "
                           "are submitted")
    return SlurmLauncher(settings.runs, _parameters(settings), settings.workers)


def _parameters(settings: LaunchSettings) -> dict[str, Any]:
    """Parameters of submitit: what users say goes to sbatch as it is."""
    options: dict[str, Any] = {"requeue": True}
    if settings.device == "cuda":
        options["gpus-per-node"] = "1"
    options |= {key.replace("_", "-"): value for key, value in settings.engine().items()}
    for key in ("array", "output", "error"):
        if key in options:
            raise RequestError(f"--slurm {key}=...: lhlbench sets it itself")
    cpus = options.pop("cpus-per-task", "1")
    if not re.fullmatch(r"[1-9]\d{0,5}", cpus):
        raise RequestError(f"--slurm cpus-per-task={cpus}: write a whole number")
    return {"job_name": "lhlbench", "time": _minutes(options.pop("time", "60")),
            "cpus_per_task": int(cpus), "additional_parameters": options,
            "srun_args": [f"--cpus-per-task={cpus}"]}


def _minutes(text: str) -> int:
    """Minutes of a time as sbatch takes it: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S; at least 1."""
    match = _TIME.fullmatch(text)
    if not match:
        raise RequestError(f"--slurm time={text}: write minutes, HH:MM:SS or D-HH:MM:SS")
    first, second = int(match["first"]), int(match["second"] or 0)
    if match["days"]:
        minutes = (int(match["days"]) * 24 + first) * 60 + second
    else:
        minutes = first * 60 + second if match["third"] else first
    return max(1, minutes)


@dataclass(frozen=True)
class SlurmRun:
    """One run as its job carries it out; submitit keeps it until the run has ended."""

    assignment: Assignment
    threads: int
    messages: MessageWriter

    def __call__(self) -> None:
        """Carry out the run. At the signal that comes before the time limit, the run saves its
        state and leaves off, and its job is put into the queue again."""
        warning = signal.Signals[f"SIG{submitit.JobEnvironment.USR_SIG}"]
        requeue = signal.getsignal(warning)
        warned = False

        def leave_off(number: int, frame: FrameType | None) -> None:
            nonlocal warned
            warned = True
            signal.raise_signal(signal.SIGTERM)

        signal.signal(warning, leave_off)
        last = carry_out(self.assignment, self.threads, self.messages.send)
        if warned and last.state == "left" and callable(requeue):
            requeue(warning, None)

    def checkpoint(self) -> Any:
        """What submitit submits again: the same, since a run finds its checkpoint itself."""
        return submitit.helpers.DelayedSubmission(self)


@dataclass
class _Job:
    """A job, and what was heard of its run."""

    slurm_id: str
    observer: RunObserver
    messages: MessageReader
    log: Path
    last: Message | None = None
    gone_since: float | None = None


class SlurmLauncher:
    """A Slurm job for each run, in arrays with `workers` jobs at a time."""

    def __init__(self, runs: Path, parameters: Mapping[str, Any], workers: int | None) -> None:
        self.workers = workers or _LONGEST_ARRAY
        self._runs = runs
        self._parameters = {**parameters, "array_parallelism": self.workers}

    def launch(self, assignments: Iterable[Assignment]) -> Generator[RunEvent, None, None]:
        """Submit all assignments at once; see `Launcher.launch`. Logs of runs that failed are
        kept beside the runs."""
        if not (given := list(assignments)):
            return
        folder = Path(tempfile.mkdtemp(prefix=".slurm-", dir=self._runs)).resolve()
        jobs: dict[str, _Job] = {}
        failed = False
        try:
            for first in range(0, len(given), _LONGEST_ARRAY):
                jobs |= self._submit(given[first:first + _LONGEST_ARRAY], folder)
            deadline, pause = given[0].deadline, _SHORTEST_PAUSE
            while jobs:
                queued = _queued(jobs)
                events = [event for job in list(jobs.values())
                          for event in _heard(job, queued.get(job.slurm_id))]
                for event in events:
                    if event.state != "running":
                        del jobs[event.run.run_id]
                        failed |= event.state == "failed"
                    yield event
                if deadline.passed():
                    _cancel(job.slurm_id for job in jobs.values()
                            if queued.get(job.slurm_id) == "PENDING")
                pause = _SHORTEST_PAUSE if events else min(pause * 1.3, _LONGEST_PAUSE)
                time.sleep(pause if jobs else 0)
        finally:
            _cancel(job.slurm_id for job in jobs.values())
            if not failed:
                shutil.rmtree(folder, ignore_errors=True)

    def _submit(self, assignments: Sequence[Assignment], folder: Path) -> dict[str, _Job]:
        """Submit one array; the jobs by run id. Raises `RequestError` when Slurm refuses it."""
        executor = submitit.SlurmExecutor(folder, max_num_timeout=_TIMEOUTS)
        files = {each.run.run_id: folder / f"{each.run.run_id}.jsonl" for each in assignments}
        try:
            executor.update_parameters(**self._parameters)
            submitted = executor.submit_array([
                SlurmRun(each, self._parameters["cpus_per_task"],
                         MessageWriter(files[each.run.run_id])) for each in assignments])
        except (RuntimeError, subprocess.CalledProcessError) as error:
            raise RequestError(f"Slurm refuses the jobs: {' '.join(str(error).split())}; see "
                               "--slurm KEY=VALUE") from None
        return {each.run.run_id: _Job(job.job_id, RunObserver(each.run),
                                      MessageReader(files[each.run.run_id]), job.paths.stderr)
                for each, job in zip(assignments, submitted, strict=True)}


def _queued(jobs: Mapping[str, _Job]) -> dict[str, str]:
    """State of each job that is still in Slurm's queue, by its id; of all where Slurm does not
    answer at the moment."""
    arrays = sorted({job.slurm_id.partition("_")[0] for job in jobs.values()})
    command = ["squeue", "--noheader", "--array", "--format=%i %T", f"--jobs={','.join(arrays)}"]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode and "Invalid job id" not in found.stderr:
        return {job.slurm_id: "" for job in jobs.values()}
    lines = [line.split() for line in found.stdout.splitlines()]
    return {words[0]: words[1] for words in lines if len(words) == 2}


def _heard(job: _Job, state: str | None) -> list[RunEvent]:
    """New events of a job; `state` is None once it has left the queue.

    A run that is left has ended only when its job is gone: a job that was at its time limit, or
    preempted, comes back.
    """
    if state == "PENDING":
        return []
    messages = job.messages.receive()
    job.last = messages[-1] if messages else job.last
    reported = [message for message in messages if message.state != "left"]
    if state is not None:
        job.gone_since = None
    elif not messages:
        job.gone_since = job.gone_since or time.monotonic()
        gone = time.monotonic() - job.gone_since
        if job.last and job.last.state == "left" and gone > _RETURN:
            reported.append(job.last)
        elif gone > _PATIENCE:
            reported.append(Message("failed", reason=(
                f"its Slurm job {job.slurm_id} ended without a word (cancelled, out of memory, or "
                f"its node was lost); see {job.log}; running it again goes on from its last "
                "checkpoint")))
    return [job.observer.event(message) for message in reported]


def _cancel(slurm_ids: Iterable[str]) -> None:
    """Cancel jobs; their runs leave off at once and can go on from their checkpoints."""
    ids = list(slurm_ids)
    for first in range(0, len(ids), 500):
        subprocess.run(["scancel", *ids[first:first + 500]], capture_output=True)
