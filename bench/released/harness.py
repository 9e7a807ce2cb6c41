"""This project's side: method `had_released` through the trainer and protocol of a real run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from torch import Tensor

from bench.released.job import Job
from benchmark.data.sources.source import DataPaths
from benchmark.data.store.files import Store
from benchmark.data.store.intact import require_intact
from benchmark.engine.callbacks import Callback
from benchmark.engine.options import Options
from benchmark.engine.plan import Plan
from benchmark.engine.protocol import LifelongRun
from benchmark.engine.trainer import PhaseTrainer
from benchmark.method import Step
from benchmark.speed.stopwatch import (
    STEP_PATH,
    Stopwatch,
    own_path,
    patched,
    seconds_of,
    synchronise,
)
from benchmark.tasks.metric_values import values_of

Losses = list[list[dict[str, float]]]
"""Of each phase and step: the terms."""


def serve(connection: Connection, job: Job) -> None:
    """Answer requests (see `bench.released.sides`) until the connection closes."""
    steps = Steps(job)
    connection.send(None)
    while True:
        try:
            request, argument = connection.recv()
        except EOFError:
            return
        if request == "phase":
            connection.send(steps.begin(argument))
        elif request == "step":
            connection.send(steps.seconds())
        elif request == "parts":
            connection.send(steps.parts())
        else:
            connection.send(whole_run(job, recorded=argument))


class Steps:
    """The training steps of a run, one at a time."""

    def __init__(self, job: Job) -> None:
        self.run = _run(job, job.plan(), Path())
        self.device = self.run.fabric.device
        self.trainer: PhaseTrainer | None = None
        self._steps: Iterator[Any] = iter(())
        self._epoch = 0

    def begin(self, phase: int) -> None:
        """Begin a phase and take its first step."""
        if self.trainer is not None:
            self._steps = iter(())
            self.run.close_phase(self.trainer)
        self.trainer, self._epoch = self.run.begin_phase(phase), 0
        self._step()

    def _step(self) -> None:
        assert self.trainer is not None
        for _ in self._steps:
            return
        self._epoch += 1
        self._steps = self.trainer.take_steps(self._epoch)
        next(self._steps)

    def seconds(self) -> float:
        """Take a step; its seconds."""
        return seconds_of(self._step, self.device)

    def parts(self) -> dict[str, float]:
        """Take a step; the seconds of its parts."""
        assert self.trainer is not None
        watch = Stopwatch(self.device)
        with watch.on((*STEP_PATH, *own_path(self.trainer))), watch.part("data"):
            self._step()
        return watch.seconds


def whole_run(job: Job, recorded: bool) -> dict[str, Any]:
    """A whole run from opening the data to the record; its seconds. Where `recorded`, without
    dropout, and the losses and final metrics with it."""
    plan = job.plan(dropout=not recorded)
    losses: Losses = []
    original = PhaseTrainer.train_step

    def train_step(trainer: PhaseTrainer, step: Step) -> dict[str, Tensor]:
        terms = original(trainer, step)
        if step.phase.number > len(losses):
            losses.append([])
        losses[-1].append({name: float(term) for name, term in terms.items()})
        return terms

    replacements = [(PhaseTrainer, "train_step", train_step)] if recorded else []
    with tempfile.TemporaryDirectory(dir=job.folder) as folder, patched(replacements):
        begin = time.perf_counter()
        run = _run(job, plan, Path(folder))
        run.all_phases()
        synchronise(run.fabric.device)
        seconds = time.perf_counter() - begin
    last = max(phase for phase, _ in run.statistics)
    metrics = {f"{name} {metric}": value for name, task in run.tasks.items()
               for metric, value in values_of(task, run.statistics[last, name],
                                              f"batch:{job.batch}").items()}
    return {"seconds": seconds, "losses": losses, "metrics": metrics}


def _run(job: Job, plan: Plan, folder: Path) -> LifelongRun:
    store = Store(job.folder / "store")
    require_intact(store, job.folder)
    options = Options(folder, DataPaths(job.folder), device=job.device)
    return LifelongRun(plan, options, Callback(), store, folder)
