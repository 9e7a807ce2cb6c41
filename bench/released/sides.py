"""The two processes of a comparison, and the requests they answer.

    phase, number       begin a phase (1, 2, ... one after the other) and take its first step
    step, None          take a step; its seconds, from fetching the batch to the updated weights
    parts, None         take a step; the seconds of its parts
    run, recorded       a whole run; its seconds, and the losses and metrics where recorded
"""

from __future__ import annotations

import importlib
import multiprocessing
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Literal, Self

from bench.released.job import Job
from benchmark.errors import LhlbenchError, RunError

Request = Literal["phase", "step", "parts", "run"]


class Side:
    """A process of its own: one side's memory settings, modules and random state are not the
    other's."""

    def __init__(self, name: str, job: Job) -> None:
        """`name` is the module of `bench.released` whose `serve` answers."""
        self.name, self._job = name, job

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(self.name, other, self._job))
        self._process.start()
        other.close()
        self._answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._connection.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.terminate()

    def ask(self, request: Request, argument: Any = None) -> Any:
        """Send a request and wait for the answer. Raises `RunError` when the side fails."""
        self._connection.send((request, argument))
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except EOFError:
            raise RunError(f"bench/released/{self.name}.py ended; its own message is above"
                           ) from None
        if isinstance(answer, LhlbenchError):
            raise answer
        return answer

    def seconds(self) -> float:
        """Take a step; its seconds."""
        return float(self.ask("step"))

    def run_seconds(self) -> float:
        """A whole run's seconds."""
        return float(self.ask("run", False)["seconds"])


def _serve(name: str, connection: Connection, job: Job) -> None:
    try:
        importlib.import_module(f"bench.released.{name}").serve(connection, job)
    except LhlbenchError as error:
        connection.send(error)
