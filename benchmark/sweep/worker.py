"""One run in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

import torch

from benchmark.engine.callbacks import Callback, Options
from benchmark.engine.execute import execute
from benchmark.engine.trainer import EpochReport, PhaseTrainer
from benchmark.errors import Busy, LhlbenchError, RequestError
from benchmark.sweep.jobs import Job
from benchmark.sweep.status import State, resolved

News = tuple[State, float, str, str]
"""State, share of the training done, where it is, and why it failed."""


def work(connection: Connection, job: Job, expected: str, options: Options, threads: int | None,
         output: Path) -> None:
    """Carry out `job` and send `News` of it; what is printed goes to the file `output`.

    `expected` is the digest of the configuration that was planned.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    connection.send(("running", 0.0, "", ""))
    if threads is not None:
        torch.set_num_threads(threads)
    connection.send(_ended(connection, job, expected, options))


def _ended(connection: Connection, job: Job, expected: str, options: Options) -> News:
    try:
        plan = job.plan()
        if resolved(plan) != expected:
            raise RequestError("its method or sequence was changed after the sweep had begun; "
                               "start the sweep again")
        execute(plan, options, _Reporter(connection))
        return "done", 1.0, "", ""
    except Busy as error:
        return "busy", 0.0, "", str(error)
    except LhlbenchError as error:
        return "failed", 0.0, "", str(error)
    except Exception as error:
        traceback.print_exc()
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
        return "failed", 0.0, "", " ".join(reason.split())


class _Reporter(Callback):
    """Tells how far a run is after every epoch."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._phase, self._phases, self._epochs = 1, 1, 1

    def phase_begins(self, number: int, phases: int, trainer: PhaseTrainer) -> None:
        self._phase, self._phases, self._epochs = number, phases, trainer.recipe.epochs
        self._tell(trainer.epochs_done)

    def epoch_ends(self, report: EpochReport) -> None:
        self._tell(report.epoch)

    def _tell(self, epoch: int) -> None:
        share = (self._phase - 1 + epoch / self._epochs) / self._phases
        news: News = ("running", share, f"phase {self._phase}/{self._phases}, "
                      f"epoch {epoch}/{self._epochs}", "")
        self._connection.send(news)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)  # so that half-written files are taken away
