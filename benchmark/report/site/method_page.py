"""The part of a method's page about one of its configurations in one grid."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.report.runs.grid import RunKey
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.site.charts import Chart, chart
from benchmark.report.site.leaderboard import Scored, mean_curve, missing_at
from benchmark.report.site.slugs import slug
from benchmark.report.tables.names import heading
from benchmark.scores import Score, relative_bwt, relative_forgetting
from benchmark.tasks.metric_values import metric_title


@dataclass(frozen=True)
class RunRow:
    """One run: its page, and its gain, forgetting and BWT in %; no scores of a failed one."""

    sequence: str
    seed: int
    file: str
    failed: str
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Section:
    """The runs of one configuration in one grid, and the commands of those it lacks."""

    title: str
    anchor: str
    line: MethodRuns[RunKey]
    baseline: str
    runs: tuple[RunRow, ...]
    missing: str
    commands: tuple[str, ...]
    charts: tuple[Chart, ...]


def section(scored: Scored, line: MethodRuns[RunKey]) -> Section:
    """The section of `line`; gains are over the first baseline that was run."""
    grid, baseline = scored.grid, next(iter(scored.baselines), "")
    curves = scored.curves(line, baseline) if baseline else {}
    drawn = [_gains(curves, baseline)] if curves else []
    drawn += _metrics(scored, line)
    missing = grid.missing(line)
    return Section(grid.title, slug(f"{grid.title} {line.label}"), line, baseline,
                   tuple(_runs(scored, line, curves)), missing_at(missing),
                   tuple(grid.command(line.method, at, line) for at in missing),
                   tuple(each for each in drawn if each is not None))


def _runs(scored: Scored, line: MethodRuns[RunKey],
          curves: dict[RunKey, list[float | None]]) -> list[RunRow]:
    rows = []
    for at in scored.grid.cells:
        found = line.runs.get(at) or line.failed.get(at)
        if found is None:
            continue
        scores: tuple[Score, ...] = ()
        if at in line.runs:
            matrix = scored.matrices[line.label][at]
            gain = (Score(curves[at][-1], "undefined") if at in curves
                    else Score(None, "no run of the baseline beside it"))
            scores = gain, relative_forgetting(matrix), relative_bwt(matrix)
        rows.append(RunRow(*at, f"runs/{slug(found.record.run_id)}.html",
                           found.record.reason if found.record.status == "failed" else "", scores))
    return rows


def _gains(curves: dict[RunKey, list[float | None]], baseline: str) -> Chart | None:
    return chart(f"Δ vs {baseline} (%) ↑", list(curves.values()), mean_curve(curves), "%")


def _metrics(scored: Scored, line: MethodRuns[RunKey]) -> list[Chart | None]:
    """The primary metric of every task, one curve per run from the task's own phase on."""
    by_task: dict[str, list[tuple[float | None, ...]]] = {}
    titles, units = {}, {}
    for matrix in scored.matrices[line.label].values():
        for curve in matrix.primary:
            by_task.setdefault(curve.task, []).append(curve.values)
            units[curve.task] = curve.unit
            titles[curve.task] = heading(
                f"{curve.task} {metric_title(curve.metric)}", curve.unit,
                curve.higher_is_better)
    return [chart(titles[task], curves, unit=units[task]) for task, curves in by_task.items()]
