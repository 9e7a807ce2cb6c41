"""What stands in a cell of a paper's table, computed from the runs of one seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmark.record import Cost
from benchmark.report.papers.published import Published
from benchmark.scores import Matrix, Score, delta, mean_rank, task_deltas


@dataclass(frozen=True)
class MeasuredRun:
    """What scores are computed from."""

    matrix: Matrix
    cost: Cost | None


ByMethod = Mapping[str, MeasuredRun]
"""The runs a cell needs, by the paper's name of the method."""


def score_of(runs: ByMethod, label: str, column: Published) -> Score:
    """The value of method `label` in `column`; `runs` also holds what it is relative to."""
    return SCORES.get(column.metric, _final)(runs, label, column)


def _final(runs: ByMethod, label: str, column: Published) -> Score:
    curve = next((curve for curves in runs[label].matrix.tasks for curve in curves
                  if (curve.task, curve.metric) == (column.task, column.metric)), None)
    if curve is None or curve.final is None:
        return Score(None, f"{column.task} {column.metric} was not measured")
    if column.unit and curve.unit != column.unit:
        return Score(None, f"{curve.name} is measured in {curve.unit or 'no unit'} here")
    return Score(curve.final)


def _delta(runs: ByMethod, label: str, column: Published) -> Score:
    matrix, baseline = runs[label].matrix, runs[column.baseline].matrix
    if column.task == "all":
        return delta(matrix, baseline)
    nothing = Score(None, f"the runs have no task {column.task}")
    return task_deltas(matrix, baseline).get(column.task, nothing)


def _rank(runs: ByMethod, label: str, column: Published) -> Score:
    return mean_rank([{each: run.matrix for each, run in runs.items()}])[label]


def _parameters_saved(runs: ByMethod, label: str, column: Published) -> Score:
    shared, separate = runs[label].cost, runs[column.baseline].cost
    if shared is None or separate is None:
        return Score(None, "parameters were not recorded")
    return Score(100 * (separate.parameters - shared.parameters) / shared.parameters)


SCORES: Mapping[str, Callable[[ByMethod, str, Published], Score]] = {
    "delta": _delta, "rank": _rank, "parameters_saved": _parameters_saved}
"""Scores by the name they have in the files; any other name is a task's metric."""
