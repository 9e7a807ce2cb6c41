"""Tables of one sequence: methods x metrics, scores and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.report.runs.collection import Collection, StoredRun
from benchmark.report.runs.grid import Grid, RunKey
from benchmark.report.runs.groups import Group, groups_of
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.runs.scoring import Scoring, checked
from benchmark.report.tables.captions import caption, of_one_order
from benchmark.report.tables.columns import USUAL, about, check, chosen, needs
from benchmark.report.tables.table import Table, ranked, reasons


def build(collection: Collection, sequences: Sequence[str] | None = None,
          baseline: str = "finetune", convention: str = "pixel",
          columns: Sequence[str] = USUAL, all_metrics: bool = False) -> list[Table]:
    """One table per sequence, and per data set and recipe where a sequence has several.

    `sequences` are names or globs, `columns` names of `benchmark.report.tables.columns`. Raises
    `RequestError` for an unknown baseline, convention or column, and for patterns no run matches.
    """
    convention = checked(baseline, convention)
    groups = groups_of(collection, sequences)
    if groups:
        check(columns, [group.record for group in groups])
    return [_table(_grid(group), baseline, convention, columns, all_metrics) for group in groups]


def _grid(group: Group) -> Grid:
    """A grid of one order."""
    def placed(runs: Mapping[int, StoredRun]) -> dict[RunKey, StoredRun]:
        return {(group.sequence, seed): found for seed, found in runs.items()}
    return Grid(group.sequence, group.variant, tuple(
        MethodRuns(line.method, line.settings, line.bound, placed(line.runs), placed(line.failed))
        for line in group.lines))


def _table(grid: Grid, baseline: str, convention: str, names: Sequence[str],
           all_metrics: bool) -> Table:
    columns = chosen(names, grid.record, baseline, all_metrics)
    keys = [column.key for column in columns]
    scoring = Scoring(grid, baseline, convention, needs(keys, baseline))
    rows = [scoring.row(line, {key: scoring.cell(line, key) for key in keys})
            for line in grid.lines]
    turned = _turned(scoring) if "gap" in keys else []
    notes = [*scoring.notes, *reasons(rows, columns), *turned]
    if not scoring.holes:
        fair = [column for column in columns if column.key != "gap" or not turned]
        directed = [column.key for column in fair if column.higher_is_better is not None]
        rows = ranked(rows, fair, by="delta" if "delta" in keys else next(iter(directed), ""))
    return Table(grid.title, grid.family, baseline, convention, tuple(columns), tuple(rows),
                 caption(grid, convention, of_one_order(grid), about(keys, baseline), columns,
                         whole=not scoring.holes),
                 tuple(dict.fromkeys(notes)), scoring.holes)


def _turned(scoring: Scoring) -> list[str]:
    """Metrics whose gap has the wrong sign, so that worse values seem to close it."""
    finetune, joint = scoring.references["finetune"], scoring.references["joint"]
    turned = [curve.name for at in finetune if at in joint
              for curves in finetune[at].tasks for curve in curves
              if curve.final is not None
              and (bound := joint[at].final(curve.task, curve.metric)) is not None
              and curve.sign * (bound - curve.final) < 0]
    names = ", ".join(dict.fromkeys(turned))
    return [f"gap closed: joint is worse than finetune on {names}, where a worse value closes "
            "more of the gap, so it is not ranked; read Δ vs joint instead"] if turned else []
