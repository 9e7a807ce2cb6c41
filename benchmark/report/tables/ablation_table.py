"""Ablations: configurations of one method that differ from its usual one in one setting each."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark.errors import RequestError, unknown
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid, RunKey, grids_of
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.runs.scoring import Scoring, checked
from benchmark.report.tables.captions import caption, of_orders
from benchmark.report.tables.columns import about
from benchmark.report.tables.order_table import mean_of_orders
from benchmark.report.tables.table import Cell, Column, Table, marks, reasons
from benchmark.scores import Score

DIFFERENCE = "difference"
_ABSENT = object()
"""Apart from None, which a setting can be."""


def build(collection: Collection, method: str, sequences: Sequence[str] | None = None,
          baseline: str = "finetune", convention: str = "pixel") -> list[Table]:
    """One table per family in which `method` was run in its usual configuration and another.

    `method` is a name, or the label of the configuration to be taken as the usual one, such as
    `had (weight=6)`. Raises `RequestError` for an unknown method, baseline or convention, when no
    configuration is the usual one, and when there is nothing to compare.
    """
    convention = checked(baseline, convention)
    grids = grids_of(collection, sequences)
    known = dict.fromkeys(name for grid in grids for line in grid.lines
                          for name in (line.method, line.label))
    if method not in known:
        raise unknown("method with runs", method, [*known])
    tables = [_table(grid, baseline, convention, usual)
              for grid in grids if (usual := _usual(grid, method)) and _variants(grid, usual)]
    if not tables:
        raise RequestError(f"no other configuration of {method} differs in one setting; make one "
                           f"with lhlbench run --method {method.split(' (')[0]} "
                           "--method-set KEY=VALUE")
    return tables


def _usual(grid: Grid, method: str) -> MethodRuns[RunKey] | None:
    """The line that others are set against; None where the method was not run."""
    labelled = [line for line in grid.lines if line.label == method]
    others = [line.label for line in grid.lines if line.method == method]
    if not labelled and others:
        raise RequestError(f"{grid.title}: no configuration of {method} has most runs; say which "
                           f"is the usual one: --ablation {shlex.quote(others[0])}")
    return labelled[0] if labelled else None


def _variants(grid: Grid, usual: MethodRuns[RunKey]) -> list[MethodRuns[RunKey]]:
    return [line for line in grid.lines if line.method == usual.method
            and len(_changed(line.settings, usual.settings)) == 1]


def _part(grid: Grid, lines: Sequence[MethodRuns[RunKey]], baseline: str) -> Grid:
    """`lines` of one method, and the baseline where these were run."""
    started = {at for line in lines for at in (*line.runs, *line.failed)}
    usual = sorted((line for line in grid.lines if line.method == baseline != lines[0].method),
                   key=lambda line: len(line.settings))[:1]
    beside = [replace(line, runs=_at(line.runs, started), failed=_at(line.failed, started))
              for line in usual if not started.isdisjoint((*line.runs, *line.failed))]
    return replace(grid, lines=(*lines, *beside))


def _table(whole: Grid, baseline: str, convention: str, usual: MethodRuns[RunKey]) -> Table:
    lines = [usual, *_variants(whole, usual)]
    grid = _part(whole, lines, baseline)
    scoring = Scoring(grid, baseline, convention, [baseline])
    columns = [Column("delta", f"Δ vs {baseline}", "%", True),
               Column(DIFFERENCE, f"difference to {usual.label}", "points", True)]
    own = scoring.scores(usual, "delta")
    rows = [scoring.row(line, _cells(scoring, line, own)) for line in lines]
    notes = [*scoring.notes, *reasons(rows, columns),
             *(f"left out, since it changes several settings: {line.label}" for line in whole.lines
               if line.method == usual.method and line not in lines)]
    told = [*about(["delta"], baseline),
            f"Difference: Δ minus that of {usual.label} of the same sequence and seed. Every row "
            "changes one setting."]
    return Table(f"{grid.title}: {usual.label} and one change at a time", grid.family, baseline,
                 convention, tuple(columns),
                 tuple(rows if scoring.holes else marks(rows, columns)),
                 caption(grid, convention, of_orders(grid, spread=False), told, columns,
                         whole=not scoring.holes),
                 tuple(dict.fromkeys(notes)), scoring.holes, counted="runs")


def _cells(scoring: Scoring, line: MethodRuns[RunKey],
           usual: Mapping[RunKey, Score]) -> dict[str, Cell]:
    orders, scores = scoring.grid.sequences, scoring.scores(line, "delta")
    differences = {at: _minus(score, usual[at]) for at, score in scores.items() if at in usual}
    runs = len(scoring.matrices[line.label])
    return {"delta": mean_of_orders(scores, orders, runs),
            DIFFERENCE: mean_of_orders(differences, orders, runs)}


def _minus(score: Score, other: Score) -> Score:
    if score.value is None or other.value is None:
        return Score(None, score.reason or other.reason)
    return Score(score.value - other.value)


def _changed(settings: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    return {name for name in {*settings, *other}
            if settings.get(name, _ABSENT) != other.get(name, _ABSENT)}


def _at(runs: Mapping[RunKey, Any], kept: set[RunKey]) -> dict[RunKey, Any]:
    return {at: found for at, found in runs.items() if at in kept}
