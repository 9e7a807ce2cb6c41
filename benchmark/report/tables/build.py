"""Building the tables: methods x metrics of a sequence, methods x orders of a family, ablations.

Each is a group-by of the scores of a grid's runs: one cell per label and score, or per label and
order.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchmark import PROTOCOL_VERSION
from benchmark.errors import RequestError, unknown
from benchmark.report.runs.collection import RunCollection
from benchmark.report.runs.grid import Grid, MethodRuns, RunKey, grids_of, sequence_grids
from benchmark.report.runs.scoring import GridScores, checked_choice
from benchmark.report.runs.settings import differences
from benchmark.report.runs.summary import over_orders, over_seeds
from benchmark.report.tables.columns import (
    DEFAULT_COLUMNS,
    RANK,
    RANK_TITLES,
    about_one_order,
    about_orders,
    about_scores,
    caption_of,
    check_columns,
    choose_columns,
    required_baselines,
)
from benchmark.report.tables.table import Cell, Column, Hole, Row, Table, marked, ranked, reasons

if TYPE_CHECKING:
    import pandas as pd

MEAN, WORST, DIFFERENCE = "mean", "worst_order", "difference"
ABOUT_WORST = "Worst order: the lowest of a method's Δ of single orders."


def sequence_tables(collection: RunCollection, sequences: Sequence[str] | None = None,
                    baseline: str = "finetune", convention: str = "pixel",
                    columns: Sequence[str] = DEFAULT_COLUMNS,
                    all_metrics: bool = False) -> list[Table]:
    """One table per sequence, and per data set and recipe where a sequence has several: methods x
    metrics, scores and costs.

    `sequences` are names or globs, `columns` keys of `score_columns`, `metrics`, `rank` or
    `task/metric`. Raises `RequestError` for an unknown baseline, convention or column, and for
    patterns no run matches.
    """
    convention = checked_choice(baseline, convention)
    grids = sequence_grids(collection, sequences)
    if grids:
        check_columns(columns, [grid.record for grid in grids])
    return [_sequence_table(grid, baseline, convention, columns, all_metrics) for grid in grids]


def order_tables(collection: RunCollection, sequences: Sequence[str] | None = None,
                 baseline: str = "finetune", convention: str = "pixel") -> list[Table]:
    """One table per family, and per data set and recipe where a family has several: methods x
    orders of the same tasks.

    Raises `RequestError` as `sequence_tables` does.
    """
    convention = checked_choice(baseline, convention)
    return [_order_table(grid, baseline, convention) for grid in grids_of(collection, sequences)]


def ablation_tables(collection: RunCollection, method: str,
                    sequences: Sequence[str] | None = None, baseline: str = "finetune",
                    convention: str = "pixel") -> list[Table]:
    """One table per family in which `method` was run in its usual configuration and in others that
    differ from it in one setting each.

    `method` is a name, or the label of the configuration to be taken as the usual one, such as
    `had (weight=6)`. Raises `RequestError` for an unknown method, baseline or convention, when no
    configuration is the usual one, and when there is nothing to compare.
    """
    convention = checked_choice(baseline, convention)
    grids = grids_of(collection, sequences)
    known = dict.fromkeys(name for grid in grids for runs in grid.methods
                          for name in (runs.name, runs.label))
    if method not in known:
        raise unknown("method with runs", method, [*known])
    tables = [_ablation_table(grid, baseline, convention, usual)
              for grid in grids if (usual := _usual(grid, method)) and _variants(grid, usual)]
    if not tables:
        raise RequestError(f"no other configuration of {method} differs in one setting; make one "
                           f"with lhlbench run --method {method.split(' (')[0]} "
                           "--method-set KEY=VALUE")
    return tables


class _Draft:
    """A table in the making: the scores of a grid, what is missing, and rows of cells."""

    def __init__(self, grid: Grid, baseline: str, convention: str, keys: Sequence[str],
                 needed: Sequence[str]) -> None:
        """`keys` are the scores of the cells, `needed` the baselines whose absence is a hole."""
        self.grid, self.needed = grid, needed
        self.scores = GridScores(grid, convention, baseline)
        self._frame = self.scores.frame(key for key in keys if key not in RANK_TITLES)

    @cached_property
    def holes(self) -> tuple[Hole, ...]:
        """Runs of methods, and of needed baselines without any run, that the grid lacks."""
        return tuple(self._holes())

    @property
    def notes(self) -> list[str]:
        """Runs that are left out or lack values, and which configuration of a baseline is meant."""
        unscored = [f"left out, since it cannot be scored by {self.scores.convention}: {run}: "
                    f"{error}" for run, error in self.scores.errors.items()]
        names = [method.name for method in self.grid.methods]
        chosen = [f"the baseline is {method.label}" for name in self.needed
                  if names.count(name) > 1 and (method := self.grid.find_baseline(name))]
        failed = [f"failed and left out: {run.record.run_id}: {run.record.reason}"
                  for method in self.grid.methods for run in method.failed.values()]
        undefined = [f"{run.record.run_id}: {run.record.reason}" for method in self.grid.methods
                     for run in method.runs.values() if run.record.reason]
        protocol = self.grid.record.protocol
        earlier = [f"measured by protocol {protocol}: runs made now are of protocol "
                   f"{PROTOCOL_VERSION}, fill no hole here and stand in a table of their own"
                   ] if self.holes and protocol != PROTOCOL_VERSION else []
        return unscored + chosen + failed + undefined + earlier

    def runs(self, method: MethodRuns, sequence: str | None = None) -> int:
        """How many runs of a method have scores, of one order or of all."""
        return sum(sequence in (None, key[0]) for key in self.scores.matrices[method.label])

    def part(self, method: MethodRuns, key: str) -> pd.DataFrame:
        """The scores of one method under one key, a row per run."""
        frame = self._frame
        return frame[(frame["label"] == method.label) & (frame["score"] == key)]

    def cell(self, method: MethodRuns, key: str, sequence: str | None = None) -> Cell:
        """Mean and spread over the runs of a method that differ by seed."""
        if key in RANK_TITLES:
            return self.rank(method, key)
        part, runs = self.part(method, key), self.runs(method, sequence)
        if sequence is not None:
            part = part[part["sequence"] == sequence]
        if part.empty and runs:
            lacking = " and ".join(self.scores.columns[key].needs)
            return Cell(None, reason=f"no {lacking} run of the same sequence and seed")
        return Cell.of_estimate(over_seeds(part, runs))

    def mean_of_orders(self, method: MethodRuns, part: pd.DataFrame) -> Cell:
        """The mean over all orders; none where one has no score, since orders differ in level.

        A run is missing then, and the table says which.
        """
        if not set(part["sequence"]).issuperset(self.grid.sequences):
            return Cell(None)
        return Cell.of_estimate(over_orders(part, self.runs(method)))

    def rank(self, method: MethodRuns, key: str = RANK) -> Cell:
        """Mean rank of a method over all runs, of a bound only in the column where they count; none
        while runs are missing."""
        if self.holes or (method.bound and key == RANK):
            return Cell(None)
        ranks = self.scores.mean_ranks if key == RANK else self.scores.mean_ranks_with_bounds
        score, runs = ranks[method.label], len(self.grid.keys)
        return Cell(score.value, n=runs, of=runs, reason=score.reason)

    def row(self, method: MethodRuns, cells: dict[str, Cell]) -> Row:
        runs = self.scores.matrices[method.label]
        return Row(method.label, method.name, dict(method.settings), method.bound, tuple(runs),
                   tuple(key for key in self.grid.keys if key not in runs), cells)

    def table(self, title: str, columns: Sequence[Column], rows: Sequence[Row], runs: str,
              about: Sequence[str], notes: Sequence[str] = (), counted: str = "seeds") -> Table:
        """The finished table; `runs` and `about` are sentences of the caption, `notes` come after
        those on what is left out."""
        grid, convention = self.grid, self.scores.convention
        notes = [*self.notes, *reasons(rows, columns), *notes]
        return Table(title, grid.name, self.scores.baseline, convention, tuple(columns),
                     tuple(rows), caption_of(grid, convention, runs, about, columns,
                                             whole=not self.holes),
                     tuple(dict.fromkeys(notes)), self.holes, counted)

    def _holes(self) -> Iterator[Hole]:
        grid = self.grid
        for method in grid.methods:
            for key in grid.keys:
                if key not in self.scores.matrices[method.label]:
                    failed = method.failed.get(key)
                    yield Hole(method.label, *key, grid.command(method.name, key, method),
                               f"failed: {failed.record.reason}" if failed else "")
        for name in self.needed:
            if grid.find_baseline(name) is None:
                for key in grid.keys:
                    yield Hole(name, *key, grid.command(name, key))


def _sequence_table(grid: Grid, baseline: str, convention: str, names: Sequence[str],
                    all_metrics: bool) -> Table:
    columns = choose_columns(names, grid.record, baseline, all_metrics)
    keys = [column.key for column in columns]
    draft = _Draft(grid, baseline, convention, keys, required_baselines(keys, baseline))
    rows = [draft.row(method, {key: draft.cell(method, key) for key in keys})
            for method in grid.methods]
    turned = _turned_gaps(draft.scores) if "gap" in keys else []
    if not draft.holes:
        fair = [column for column in columns if column.key != "gap" or not turned]
        directed = [column.key for column in fair if column.higher_is_better is not None]
        rows = ranked(rows, fair, by="delta" if "delta" in keys else next(iter(directed), ""))
    return draft.table(grid.title, columns, rows, about_one_order(grid),
                       about_scores(keys, baseline), turned)


def _turned_gaps(scores: GridScores) -> list[str]:
    """Metrics whose gap has the wrong sign, so that worse values seem to close it."""
    finetune, joint = scores.reference("finetune"), scores.reference("joint")
    turned = [curve.name for key in finetune if key in joint
              for curves in finetune[key].tasks for curve in curves
              if curve.final is not None
              and (bound := joint[key].final(curve.task, curve.metric)) is not None
              and curve.sign * (bound - curve.final) < 0]
    names = ", ".join(dict.fromkeys(turned))
    return [f"gap closed: joint is worse than finetune on {names}, where a worse value closes "
            "more of the gap, so it is not ranked; read Δ vs joint instead"] if turned else []


def _order_table(grid: Grid, baseline: str, convention: str) -> Table:
    draft = _Draft(grid, baseline, convention, ["delta"], [baseline])
    columns = [Column(MEAN, "mean Δ", "%", True), Column(WORST, "worst order", "%", True),
               Column(RANK, "mean rank", "", False),
               *(Column(name, f"Δ {name}", "%", True) for name in grid.sequences)]
    rows = []
    for method in grid.methods:
        cells = {name: draft.cell(method, "delta", name) for name in grid.sequences}
        rows.append(draft.row(method, cells | {
            MEAN: draft.mean_of_orders(method, draft.part(method, "delta")),
            WORST: _worst([*cells.values()]), RANK: draft.rank(method)}))
    if not draft.holes:
        rows = ranked(rows, columns, by=MEAN)
    return draft.table(grid.title, columns, rows, about_orders(grid),
                       [*about_scores(["delta"], baseline), ABOUT_WORST], counted="runs")


def _worst(cells: Sequence[Cell]) -> Cell:
    """The lowest mean, once all orders have one."""
    means = [cell.mean for cell in cells if cell.mean is not None]
    return Cell(None) if len(means) < len(cells) else min(cells, key=lambda cell: cell.mean or 0.0)


def _usual(grid: Grid, method: str) -> MethodRuns | None:
    """The configuration that others are set against; None where the method was not run."""
    labelled = [runs for runs in grid.methods if runs.label == method]
    others = [runs.label for runs in grid.methods if runs.name == method]
    if not labelled and others:
        raise RequestError(f"{grid.title}: no configuration of {method} has most runs; say which "
                           f"is the usual one: --ablation {shlex.quote(others[0])}")
    return labelled[0] if labelled else None


def _variants(grid: Grid, usual: MethodRuns) -> list[MethodRuns]:
    return [runs for runs in grid.methods if runs.name == usual.name
            and len(differences(runs.settings, usual.settings)) == 1]


def _ablation_table(whole: Grid, baseline: str, convention: str, usual: MethodRuns) -> Table:
    methods = [usual, *_variants(whole, usual)]
    draft = _Draft(_part(whole, methods, baseline), baseline, convention, ["delta"], [baseline])
    columns = [Column("delta", f"Δ vs {baseline}", "%", True),
               Column(DIFFERENCE, f"difference to {usual.label}", "points", True)]
    own = draft.part(usual, "delta")
    rows = []
    for method in methods:
        part = draft.part(method, "delta")
        rows.append(draft.row(method, {
            "delta": draft.mean_of_orders(method, part),
            DIFFERENCE: draft.mean_of_orders(method, _differences(part, own))}))
    notes = [f"left out, since it changes several settings: {runs.label}"
             for runs in whole.methods if runs.name == usual.name and runs not in methods]
    about = [*about_scores(["delta"], baseline),
             f"Difference: Δ minus that of {usual.label} of the same sequence and seed. Every row "
             "changes one setting."]
    rows = rows if draft.holes else marked(rows, columns)
    return draft.table(f"{whole.title}: {usual.label} and one change at a time", columns, rows,
                       about_orders(draft.grid, spread=False), about, notes, counted="runs")


def _part(grid: Grid, methods: Sequence[MethodRuns], baseline: str) -> Grid:
    """Configurations of one method, and the baseline where these were run."""
    started = {key for method in methods for key in method.all_runs}
    reference = grid.find_baseline(baseline)
    reference = None if reference and reference.name == methods[0].name else reference
    shown = [replace(reference, runs=_at(reference.runs, started),
                     failed=_at(reference.failed, started))
             ] if reference and not started.isdisjoint(reference.all_runs) else []
    return replace(grid, methods=(*methods, *shown))


def _differences(part: pd.DataFrame, usual: pd.DataFrame) -> pd.DataFrame:
    """The scores of runs minus those of the usual configuration at the same sequence and seed."""
    pairs = part.merge(usual, on=["sequence", "seed"], suffixes=("", "_usual"))
    return pairs.assign(value=pairs["value"] - pairs["value_usual"],
                        reason=pairs["reason"].where(pairs["reason"] != "", pairs["reason_usual"]))


def _at(runs: Mapping[RunKey, Any], kept: set[RunKey]) -> dict[RunKey, Any]:
    return {key: run for key, run in runs.items() if key in kept}
