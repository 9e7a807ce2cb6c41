"""The matrix of a run under another convention, derived again from its statistics."""

from __future__ import annotations

import math

from benchmark.errors import RequestError
from benchmark.record import STATISTICS_FILE, load_statistics
from benchmark.report.runs.collection import StoredRun
from benchmark.scores import Matrix, Value
from benchmark.tasks.metric_values import values_of


def matrix_of(found: StoredRun, convention: str) -> Matrix:
    """R of a run under `convention`; `pixel` is what its record holds.

    Raises `RequestError` when the run's statistics are missing, damaged or incomplete.
    """
    record = found.record
    if convention == "pixel":
        return Matrix.of(record)
    statistics = load_statistics(found.folder)
    measured: dict[str, dict[str, list[Value]]] = {}
    for task in record.tasks:
        rows = record.matrix[task.name]
        measured[task.name] = {metric: [None] * len(values) for metric, values in rows.items()}
        for phase in range(1, len(record.tasks) + 1):
            if all(values[phase - 1] is None for values in rows.values()):
                continue
            try:
                values = values_of(task, statistics[phase, task.name], convention)
                for metric in rows:
                    value = values[metric]
                    measured[task.name][metric][phase - 1] = None if math.isnan(value) else value
            except (KeyError, ValueError) as error:
                what = f"nothing for {error}" if isinstance(error, KeyError) else str(error)
                raise RequestError(f"{found.folder / STATISTICS_FILE}: does not fit its record "
                                   f"(phase {phase}, {task.name}): {what}") from None
    return Matrix.of(record, measured)
