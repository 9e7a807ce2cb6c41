"""The runs of a grid under one convention, the baselines beside them, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from benchmark.errors import RequestError, unknown
from benchmark.report.runs.costs import COLUMNS as COSTS
from benchmark.report.runs.costs import costs
from benchmark.report.runs.grid import BASELINES, Grid, RunKey
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.runs.rescore import matrix_of
from benchmark.report.tables.columns import RANK, kinds
from benchmark.report.tables.table import Cell, Hole, Row, over_seeds
from benchmark.scores import Matrix, Score, mean_rank
from benchmark.tasks.convention import Convention


def checked(baseline: str, convention: str) -> str:
    """The convention as it is written. Raises `RequestError` for an unknown one, or baseline."""
    if baseline not in BASELINES:
        raise unknown("baseline", baseline, BASELINES)
    return str(Convention.parse(convention))


class Scoring:
    """Scores of every run of a grid, paired with baselines by sequence and seed.

    `needed` names the baselines whose absence is a hole. A run that cannot be scored under
    `convention` is missing, with a note.
    """

    def __init__(self, grid: Grid, baseline: str, convention: str, needed: Sequence[str]) -> None:
        self.grid, self.convention, self.needed = grid, convention, needed
        self.kinds = kinds(baseline)
        self.notes: list[str] = []
        self.matrices = {line.label: self._matrices(line) for line in grid.lines}
        self.references = {name: self._reference(name) for name in needed}
        self.notes += [f"failed and left out: {found.record.run_id}: {found.record.reason}"
                       for line in grid.lines for found in line.failed.values()]

    @cached_property
    def holes(self) -> tuple[Hole, ...]:
        """Runs of lines, and of needed baselines without any run, that the grid lacks."""
        return tuple(self._holes())

    def scores(self, line: MethodRuns[RunKey], key: str) -> dict[RunKey, Score]:
        """A metric, score or cost of every run of `line` whose baselines were run too."""
        matrices = self.matrices[line.label]
        if key in COSTS:
            return dict(zip(matrices, self._costs[line.label][key], strict=True))
        if "/" in key:
            task, metric = key.split("/")
            finals = {at: matrix.final(task, metric) for at, matrix in matrices.items()}
            return {at: Score(value, "" if value is not None else "not measured")
                    for at, value in finals.items()}
        kind = self.kinds[key]
        return {at: kind.of(matrix, {name: self.references[name][at] for name in kind.needs})
                for at, matrix in matrices.items()
                if all(at in self.references[name] for name in kind.needs)}

    def cell(self, line: MethodRuns[RunKey], key: str) -> Cell:
        """Mean and spread over the runs of `line`, of one order."""
        if key == RANK:
            return self.rank(line)
        scores = self.scores(line, key)
        runs = len(self.matrices[line.label])
        return over_seeds(scores, runs) if scores or not runs else self.unpaired(key)

    def unpaired(self, key: str) -> Cell:
        """The cell of a score of which no run has all the baselines it needs."""
        lacking = " and ".join(self.kinds[key].needs)
        return Cell(None, reason=f"no {lacking} run of the same sequence and seed")

    def rank(self, line: MethodRuns[RunKey]) -> Cell:
        """Mean rank of a lifelong method over all runs; none while runs are missing."""
        if line.bound or self.holes:
            return Cell(None)
        score = self._ranks[line.label]
        runs = len(self.grid.cells)
        return Cell(score.value, n=runs, of=runs, reason=score.reason)

    def row(self, line: MethodRuns[RunKey], cells: dict[str, Cell]) -> Row:
        """The row of `line`."""
        runs = self.matrices[line.label]
        return Row(line.label, line.method, dict(line.settings), line.bound, tuple(runs),
                   tuple(at for at in self.grid.cells if at not in runs), cells)

    @cached_property
    def _costs(self) -> dict[str, dict[str, list[Score]]]:
        return {line.label: costs([line.runs[at] for at in self.matrices[line.label]])
                for line in self.grid.lines}

    @cached_property
    def _ranks(self) -> dict[str, Score]:
        pool = [line.label for line in self.grid.lines if not line.bound]
        return mean_rank([{label: self.matrices[label][at] for label in pool}
                          for at in self.grid.cells])

    def _matrices(self, line: MethodRuns[RunKey]) -> dict[RunKey, Matrix]:
        matrices = {}
        for at in self.grid.cells:
            if at not in line.runs:
                continue
            try:
                matrices[at] = matrix_of(line.runs[at], self.convention)
            except RequestError as error:
                self.notes.append(f"left out, since it cannot be scored by {self.convention}: "
                                  f"{line.runs[at].record.run_id}: {error}")
        return matrices

    def _reference(self, name: str) -> dict[RunKey, Matrix]:
        lines = [line for line in self.grid.lines if line.method == name]
        if not lines:
            return {}
        usual = min(lines, key=lambda line: len(line.settings))
        if len(lines) > 1:
            self.notes.append(f"the baseline is {usual.label}")
        return self.matrices[usual.label]

    def _holes(self) -> Iterator[Hole]:
        grid = self.grid
        for line in grid.lines:
            for at in grid.cells:
                if at not in self.matrices[line.label]:
                    failed = line.failed.get(at)
                    yield Hole(line.label, *at, grid.command(line.method, at, line),
                               f"failed: {failed.record.reason}" if failed else "")
        for name in self.needed:
            if not any(line.method == name for line in grid.lines):
                for at in grid.cells:
                    yield Hole(name, *at, grid.command(name, at))
