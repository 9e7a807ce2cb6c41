"""The matrix of a record against the statistics it was derived from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from benchmark.errors import RequestError
from benchmark.record import STATISTICS_FILE, Record, Statistics, TaskInfo, load_statistics
from benchmark.tasks import Task
from benchmark.tasks.metric_values import check, metrics_of, values_of, why_undefined
from benchmark.tasks.registry import UnknownKind, file_digests, find_kind

TOLERANCE = 1e-9
"""Relative; statistics are exact sums, so only the last bits of a division may differ."""


def matrix_problems(record: Record, folder: Path) -> Iterator[str]:
    """What in the metrics and the matrix does not follow from `statistics.npz` in `folder`.

    Raises `RequestError` when that file is missing or damaged.
    """
    yield from _other_code(record)
    statistics = load_statistics(folder)
    measured = measured_cells(record)
    if record.status == "complete" and record.reason != (why := why_undefined(statistics)):
        yield f"reason is '{record.reason}', {STATISTICS_FILE} says '{why}'"
    for phase, name in sorted(set(statistics) ^ measured):
        does = "holds" if (phase, name) in statistics else "lacks"
        yield f"{STATISTICS_FILE} {does} {name} after phase {phase}, the record's phases say other"
    for task in record.tasks:
        for phase in range(1, len(record.tasks) + 1):
            if (phase, task.name) in measured:
                yield from _cell(record, task, phase, statistics[phase, task.name])
            else:
                yield from (f"{_place(task, name, phase)} is {row[phase - 1]}, no evaluation "
                            "took place then"
                            for name, row in record.matrix[task.name].items()
                            if row[phase - 1] is not None)


def is_checkable(record: Record) -> bool:
    """Whether the kinds of the record's tasks are known here, with the code it was made with."""
    try:
        for task in record.tasks:
            find_kind(task.kind)
    except RequestError:
        return False
    return next(_other_code(record), None) is None


def _other_code(record: Record) -> Iterator[str]:
    """Task kinds whose files were others when the record was made."""
    recorded = record.config.get("task_kinds")
    for name, sha256 in file_digests(task.kind for task in record.tasks).items():
        if isinstance(recorded, dict) and recorded.get(name, sha256) != sha256:
            yield (f"config.task_kinds.{name} is {recorded[name]}, the files of that kind here "
                   f"have {sha256}: name those the run was made with by --task-kinds")


def measured_cells(record: Record) -> set[tuple[int, str]]:
    """(phase, task) of every evaluation: tasks learnt so far, after each phase; a bound that learns
    all tasks in one phase is evaluated after the last."""
    names, last = [task.name for task in record.tasks], len(record.tasks)
    if len(record.phases) == 1:
        return {(last, name) for name in names}
    return {(phase, name) for phase in range(1, last + 1) for name in names[:phase]}


def _cell(record: Record, task: TaskInfo, phase: int, statistics: Statistics) -> Iterator[str]:
    where = f"{STATISTICS_FILE}, {task.name} after phase {phase}"
    for name, array in statistics.items():
        if len(array) != record.dataset.eval_images if array.ndim else True:
            yield (f"{where}: {name} has {list(array.shape)[:1]} rows, dataset.eval_images is "
                   f"{record.dataset.eval_images}")
        if array.dtype.kind not in "if" or (array < 0).any():
            yield f"{where}: {name} holds what is no count and no sum of errors"
    try:
        defined = _defined(task, statistics)
        check(defined, statistics)
        derived = values_of(task, statistics)
    except (KeyError, ValueError) as error:
        yield f"{where}: {error}"
        return
    metrics = tuple(vars(metric) for metric in metrics_of(defined))
    recorded = tuple(metric.model_dump() for metric in task.metrics)
    if recorded != metrics:
        first = next((one for one, other in zip(recorded, metrics, strict=False) if one != other),
                     "their number")
        yield f"tasks['{task.name}'].metrics are not those of its kind: {first}"
        return
    for name, row in record.matrix[task.name].items():
        if not _same(row[phase - 1], derived[name]):
            yield (f"{_place(task, name, phase)} is {row[phase - 1]}, its statistics give "
                   f"{None if math.isnan(derived[name]) else derived[name]}")


def _defined(task: TaskInfo, statistics: Statistics) -> Task:
    """The task as far as its metrics and statistics depend on it.

    Raises `RequestError` when its kind is not known here, or refuses it.
    """
    try:
        kind = find_kind(task.kind)
        return kind.metrics.recorded_task(task, kind.spec.channels, statistics)
    except UnknownKind as error:
        raise RequestError(f"task '{task.name}': {error}") from None
    except ValidationError as error:
        raise RequestError(f"task '{task.name}': {error.errors()[0]['msg']}") from None


def _place(task: TaskInfo, metric: str, phase: int) -> str:
    return f"matrix['{task.name}']['{metric}'] after phase {phase}"


def _same(value: float | None, derived: float) -> bool:
    if value is None or math.isnan(derived):
        return value is None and math.isnan(derived)
    return math.isclose(value, derived, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
