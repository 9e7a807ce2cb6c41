"""Tables of a family: methods x orders of the same tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import Grid, RunKey, grids_of
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.runs.scoring import Scoring, checked
from benchmark.report.tables.captions import caption, of_orders
from benchmark.report.tables.columns import RANK, about
from benchmark.report.tables.table import (
    Cell,
    Column,
    Table,
    over_orders,
    over_seeds,
    ranked,
    reasons,
)
from benchmark.scores import Score

MEAN, WORST = "mean", "worst_order"
ABOUT_WORST = "Worst order: the lowest of a method's Δ of single orders."


def build(collection: Collection, sequences: Sequence[str] | None = None,
          baseline: str = "finetune", convention: str = "pixel") -> list[Table]:
    """One table per family, and per data set and recipe where a family has several.

    `sequences` are names or globs. Raises `RequestError` for an unknown baseline or convention,
    and for patterns no run matches.
    """
    convention = checked(baseline, convention)
    return [_table(grid, baseline, convention) for grid in grids_of(collection, sequences)]


def _table(grid: Grid, baseline: str, convention: str) -> Table:
    scoring = Scoring(grid, baseline, convention, [baseline])
    columns = [Column(MEAN, "mean Δ", "%", True), Column(WORST, "worst order", "%", True),
               Column(RANK, "mean rank", "", False),
               *(Column(name, f"Δ {name}", "%", True) for name in grid.sequences)]
    rows = [scoring.row(line, _cells(scoring, line)) for line in grid.lines]
    notes = [*scoring.notes, *reasons(rows, columns)]
    if not scoring.holes:
        rows = ranked(rows, columns, by=MEAN)
    told = [*about(["delta"], baseline), ABOUT_WORST]
    return Table(grid.title, grid.family, baseline, convention, tuple(columns), tuple(rows),
                 caption(grid, convention, of_orders(grid), told, columns,
                         whole=not scoring.holes),
                 tuple(dict.fromkeys(notes)), scoring.holes, counted="runs")


def _cells(scoring: Scoring, line: MethodRuns[RunKey]) -> dict[str, Cell]:
    grid, runs = scoring.grid, scoring.matrices[line.label]
    scores = scoring.scores(line, "delta")
    cells = {}
    for name in grid.sequences:
        own = {at: score for at, score in scores.items() if at[0] == name}
        count = sum(order == name for order, _ in runs)
        cells[name] = over_seeds(own, count) if own or not count else scoring.unpaired("delta")
    return cells | {MEAN: mean_of_orders(scores, grid.sequences, len(runs)),
                    WORST: _worst([cells[name] for name in grid.sequences]),
                    RANK: scoring.rank(line)}


def mean_of_orders(scores: Mapping[RunKey, Score], orders: Sequence[str], of: int) -> Cell:
    """The mean over all of `orders`; none where one has no score, since orders differ in level.

    A run is missing then, and the table says which.
    """
    known = {order for order, _ in scores}
    return over_orders(scores, of) if known.issuperset(orders) else Cell(None)


def _worst(cells: Sequence[Cell]) -> Cell:
    """The lowest mean, once all orders have one."""
    means = [cell.mean for cell in cells if cell.mean is not None]
    return Cell(None) if len(means) < len(cells) else min(cells, key=lambda cell: cell.mean or 0.0)
