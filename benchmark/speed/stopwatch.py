"""Where the time of a step goes: the functions of the step path, timed while a stopwatch runs."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from benchmark.engine.trainer import PhaseTrainer
from benchmark.method import Step
from benchmark.model.network import Network

PARTS = ("data", "forward", "losses", "backward", "optimiser", "rest")
"""data: a batch from memory or disk. forward: passes of networks, a teacher's too. losses: what
else `Method.loss` does. optimiser: its step, `edit_update` and the schedule. rest: bookkeeping."""

Timed = tuple[Any, str, str]
"""A class or module, the name of a function in it, and the part its calls count for."""

STEP_PATH: tuple[Timed, ...] = (
    (PhaseTrainer, "train_step", "rest"), (Step, "outputs", "forward"),
    (Step, "encode_jointly", "forward"), (Network, "stages", "forward"),
    (Network, "fuse_stages", "forward"), (Network, "encode", "forward"),
    (Network, "decode_all", "forward"), (Network, "enlarge", "forward"),
    (Network, "outputs", "forward"),
    (torch.autograd, "backward", "backward"), (torch.autograd, "grad", "backward"))
"""What every trainer and network calls in a step; what is outside of it is loading a batch."""
_OF_TRAINER = (("method", "loss", "losses"), ("method", "edit_update", "optimiser"),
               ("optimiser", "step", "optimiser"), ("optimiser", "zero_grad", "optimiser"),
               ("schedule", "step", "optimiser"))


class Stopwatch:
    """Seconds of named parts that may lie inside each other; each moment counts for the innermost.

    On CUDA it waits for the device whenever it changes from one part to another, which makes
    steps slower: the parts are for their shares, and steps are timed apart from them.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside for `name`."""
        self._change()
        self._open.append(name)
        try:
            yield
        finally:
            self._change()
            self._open.pop()

    def _change(self) -> None:
        synchronise(self.device)
        now = time.perf_counter()
        if self._open:
            name = self._open[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, its calls counted for `name`."""
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)
        return wrapper

    def timed_iterator(self, name: str, function: Callable[..., Iterable[Any]]
                       ) -> Callable[..., Iterator[Any]]:
        """`function`, the time its items take to come counted for `name`."""
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Iterator[Any]:
            items = iter(function(*args, **kwargs))
            while True:
                with self.part(name):
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item
        return wrapper

    @contextmanager
    def on(self, functions: Iterable[Timed]) -> Iterator[None]:
        """Time functions while the context lasts."""
        with patched([(owner, name, self.timed(part, getattr(owner, name)))
                      for owner, name, part in functions]):
            yield


def own_path(trainer: PhaseTrainer) -> list[Timed]:
    """What a trainer's own method, optimiser and schedule do in a step."""
    return [(getattr(trainer, owner), name, part) for owner, name, part in _OF_TRAINER]


@contextmanager
def patched(replacements: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    """Attributes (owner, name, value) replaced while the context lasts."""
    before: list[tuple[Any, str, bool, Any]] = []
    try:
        for owner, name, value in replacements:
            before.append((owner, name, name in vars(owner), vars(owner).get(name)))
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, own, value in reversed(before):
            setattr(owner, name, value) if own else delattr(owner, name)


def seconds_of(work: Callable[[], Any], device: torch.device) -> float:
    """How long the device takes for `work`."""
    synchronise(device)
    begin = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - begin


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
