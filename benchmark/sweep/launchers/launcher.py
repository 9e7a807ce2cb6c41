"""The interface of launchers, and finding one by its name."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from benchmark.errors import RequestError, unknown
from benchmark.sweep.progress import RunEvent
from benchmark.sweep.worker import Assignment

PACKAGES = {"local": None, "slurm": "submitit", "ray": "ray"}
"""Launcher -> the package it needs; the extra of lhlbench that has it is named as the launcher."""


@dataclass(frozen=True)
class LaunchSettings:
    """What a user says of the workers of a sweep."""

    name: str
    """The launcher's."""
    runs: Path
    """Folder of the runs, which all workers can write."""
    device: str = "auto"
    workers: int | None = None
    """Runs at a time; None leaves it to the launcher."""
    per_gpu: int | None = None
    """Runs at a time on one GPU."""
    slurm: tuple[str, ...] = ()
    """`KEY=VALUE` options of sbatch."""
    ray: tuple[str, ...] = ()
    """`KEY=VALUE` resources of a run, as Ray calls them."""
    ray_address: str | None = None
    """Of a Ray cluster that runs already."""

    def check(self) -> None:
        """Raise `RequestError` for an unknown launcher, a package that is missing, and options
        that mean nothing to the launcher."""
        if self.name not in PACKAGES:
            raise unknown("launcher", self.name, PACKAGES)
        package = PACKAGES[self.name]
        if package and importlib.util.find_spec(package) is None:
            raise RequestError(f"--launcher {self.name} needs the package {package}: "
                               f"pip install 'lhlbench[{self.name}]'")
        foreign = {"--slurm": self.slurm and self.name != "slurm",
                   "--ray": self.ray and self.name != "ray",
                   "--ray-address": self.ray_address and self.name != "ray",
                   "--per-gpu": self.per_gpu and self.name == "slurm"}
        for option, given in foreign.items():
            if given:
                raise RequestError(f"{option} means nothing to --launcher {self.name}")

    def engine(self) -> dict[str, str]:
        """The `KEY=VALUE` words of the launcher. Raises `RequestError` for other words."""
        found = {}
        for text in {"slurm": self.slurm, "ray": self.ray}.get(self.name, ()):
            key, equals, value = text.partition("=")
            if not key or not equals:
                raise RequestError(f"--{self.name} {text}: write KEY=VALUE")
            found[key] = value
        return found


class Launcher(Protocol):
    """Carries out runs, several at a time, on one engine.

    The module of a launcher has a function `make` that takes `LaunchSettings`.
    """

    @property
    def workers(self) -> int:
        """Most runs at a time."""

    def launch(self, assignments: Iterable[Assignment]) -> Generator[RunEvent, None, None]:
        """Carry out all assignments and yield what happens; each ends in an event whose state is
        not `running`.

        Assignments are taken when there is a worker for them, or all at once. Closing the
        generator stops the runs under way, which go on from their checkpoints another time.
        """


def make_launcher(settings: LaunchSettings) -> Launcher:
    """The launcher of checked settings.

    Raises `RequestError` for settings it cannot follow, and where its engine does not answer.
    """
    module = importlib.import_module(f"benchmark.sweep.launchers.{settings.name}")
    return cast(Launcher, module.make(settings))


def cores() -> int:
    """Cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def threads_each(workers: int) -> int | None:
    """Threads of each of several workers on this machine: its share of the cores; None, torch's
    own number, where OMP_NUM_THREADS sets it."""
    if os.environ.get("OMP_NUM_THREADS"):
        return None
    return max(1, cores() // workers)
