"""Step times of methods, measured in turns, so that all of them meet the same machine."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.engine.environment import environment
from benchmark.engine.options import Options
from benchmark.engine.plan import Plan
from benchmark.errors import RequestError
from benchmark.speed.machine import convolution_rates, extra_bytes, only_new_objects, operations_of
from benchmark.speed.pairs import quartiles
from benchmark.speed.stopwatch import PARTS, STEP_PATH, Stopwatch, own_path, seconds_of
from benchmark.speed.subject import Subject

REFERENCE = "finetune"
_WARM_UP = 2
_EXTRA = 4
"""Steps of a phase that are not timed beside those of the warm-up: the first, one that counts
operations, two that count memory."""


@dataclass
class StepSpeed:
    """The steps of a method in one phase: every repetition, and what follows from them."""

    method: str
    old_tasks: int
    images: int
    """Per step."""
    seconds: list[float] = field(default_factory=list)
    """Of each repetition; the i-th of all methods were measured one after another."""
    reference_seconds: list[float] = field(default_factory=list)
    """Of finetune in the same repetitions and the same phase."""
    parts: dict[str, list[float]] = field(default_factory=dict)
    """Part of a step -> seconds in each of further steps, in which parts were timed."""
    operations: int = 0
    """Floating-point operations of convolutions and matrix products in a step."""
    peak_bytes: int = 0
    """Tensors at the peak of a step: those that are held, and those that the step makes."""

    @property
    def median(self) -> float:
        """Median seconds of a step."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of the seconds of a step."""
        return quartiles(self.seconds)

    @property
    def ratio(self) -> float:
        """Median over the repetitions of the seconds over finetune's in the same repetition."""
        return statistics.median(own / other for own, other in
                                 zip(self.seconds, self.reference_seconds, strict=True))

    def part(self, name: str) -> float:
        """Median seconds of a part of a step."""
        return statistics.median(self.parts[name])


@dataclass(frozen=True)
class SpeedReport:
    """What was measured, on which machine."""

    steps: list[StepSpeed]
    rates: list[float]
    """Floating-point operations per second of a large convolution, before and after each phase."""
    machine: dict[str, Any]
    notes: list[str]

    @property
    def peak_rate(self) -> float:
        """The largest rate of a convolution that was measured."""
        return max(self.rates)

    def share(self, step: StepSpeed) -> float:
        """What a step reaches of the rate of a convolution, from 0 to 1."""
        return step.operations / step.median / self.peak_rate


def measure_speed(plans: Sequence[Plan], options: Options, old_tasks: Sequence[int], steps: int,
                  progress: Callable[[str], None] = lambda text: None) -> SpeedReport:
    """Measure the methods of `plans`, of one sequence and finetune among them, in the phases with
    so many old tasks, `steps` times each.

    Phases that are not measured are trained for one step. Raises `RequestError` for a number of
    old tasks that the sequence does not come to.
    """
    most = len(plans[0].config.tasks) - 1
    for count in old_tasks:
        if not 0 <= count <= most:
            raise RequestError(f"--old-tasks {count}: {plans[0].config.sequence} has {most + 1} "
                               f"tasks, so there are 0 to {most} old ones")
    with only_new_objects():
        return _measured(plans, options, old_tasks, steps, progress)


def _measured(plans: Sequence[Plan], options: Options, old_tasks: Sequence[int], steps: int,
              progress: Callable[[str], None]) -> SpeedReport:
    most = len(plans[0].config.tasks) - 1
    subjects = [Subject(plan, options, 2 * steps + _WARM_UP + _EXTRA) for plan in plans]
    rates: list[float] = []
    found: list[StepSpeed] = []
    for phase in range(1, max(old_tasks) + 2):
        present = [subject for subject in subjects if phase <= subject.phases]
        for subject in present:
            progress(f"{subject.name}: phase {phase}")
            subject.begin(phase)
        if phase - 1 in old_tasks:
            progress(f"{phase - 1} old tasks: {steps} steps of {len(present)} methods in turns")
            rates += convolution_rates(subjects[0].run.fabric)
            found += _measure_phase(present, phase - 1, steps)
            rates += convolution_rates(subjects[0].run.fabric)
    early = [f"{subject.name} learns all tasks in its first phase: it has no step with old tasks"
             for subject in subjects if subject.phases == 1 < most + 1]
    order = [subject.name for subject in subjects]
    found.sort(key=lambda each: (each.old_tasks, order.index(each.method)))
    run = subjects[0].run
    machine = environment(run.fabric, run.recipe.precision, options.command)
    return SpeedReport(found, rates, {**machine, "cores": os.cpu_count()}, early)


def _measure_phase(subjects: Sequence[Subject], old_tasks: int, steps: int) -> list[StepSpeed]:
    found = {}
    for subject in subjects:
        for _ in range(_WARM_UP):
            images = subject.step()
        found[subject.name] = StepSpeed(
            subject.name, old_tasks, images, operations=operations_of(subject.step),
            peak_bytes=subject.bytes + _peak_bytes(subject))
    for repetition in range(steps):
        for subject in _rotated(subjects, repetition):
            found[subject.name].seconds.append(seconds_of(subject.step, subject.device))
    for repetition in range(steps):
        for subject in _rotated(subjects, repetition):
            for name, seconds in _parts(subject).items():
                found[subject.name].parts.setdefault(name, []).append(seconds)
    for each in found.values():
        each.reference_seconds = found[REFERENCE].seconds
    return list(found.values())


def _peak_bytes(subject: Subject) -> int:
    """Of two steps: the gradients of the first are held until the backward pass of the second."""
    subject.drop_gradients()
    return extra_bytes(subject.device, lambda: (subject.step(), subject.step()))


def _rotated(subjects: Sequence[Subject], repetition: int) -> list[Subject]:
    """In every repetition another method comes first: what runs after a large one may meet a warm
    or a throttled device."""
    first = repetition % len(subjects)
    return [*subjects[first:], *subjects[:first]]


def _parts(subject: Subject) -> dict[str, float]:
    watch = Stopwatch(subject.device)
    with watch.on((*STEP_PATH, *own_path(subject.trainer))), watch.part("data"):
        subject.step()
    return {name: watch.seconds.get(name, 0.0) for name in PARTS}
