"""Whether a record is true to itself: its schema, and its matrix against its statistics."""

from __future__ import annotations

import math
from pathlib import Path

from benchmark import PROTOCOL_VERSION
from benchmark.errors import RequestError
from benchmark.metrics import values_of
from benchmark.record import Record, Statistics, TaskInfo, load, load_statistics

TOLERANCE = 1e-9
"""Relative; statistics are exact sums, so only the last bits of a division may differ."""


def problems(path: Path) -> str | None:
    """The first thing wrong with a record (`record.json` or its folder); None when it is valid."""
    try:
        record = load(path)
        if record.protocol != PROTOCOL_VERSION:
            return f"protocol {record.protocol}, this version measures by {PROTOCOL_VERSION}"
        if record.status != "complete":
            return f"the run failed: {record.reason}"
        return _difference(record, path if path.is_dir() else path.parent)
    except RequestError as error:
        return str(error)


def _difference(record: Record, folder: Path) -> str | None:
    statistics = load_statistics(folder)
    for task in record.tasks:
        for phase in range(1, len(record.tasks) + 1):
            told = {name: row[phase - 1] for name, row in record.matrix[task.name].items()}
            derived: dict[str, float] = dict.fromkeys(told, math.nan)
            if (phase, task.name) in statistics:
                derived = _derived(task, statistics, phase, folder)
            for name, value in told.items():
                if not _same(value, derived[name]):
                    return (f"matrix['{task.name}']['{name}'] after phase {phase} is {value}, "
                            f"its statistics give {_shown(derived[name])}")
    return None


def _derived(task: TaskInfo, statistics: dict[tuple[int, str], Statistics], phase: int,
             folder: Path) -> dict[str, float]:
    try:
        return values_of(task, statistics[phase, task.name])
    except ValueError as error:
        raise RequestError(f"{folder}: {error}") from None


def _same(value: float | None, derived: float) -> bool:
    if value is None or math.isnan(derived):
        return value is None and math.isnan(derived)
    return math.isclose(value, derived, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _shown(value: float) -> float | None:
    return None if math.isnan(value) else value
