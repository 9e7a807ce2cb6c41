"""The pages of methods: what a method is, and the runs of its configurations in every grid."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.config.overrides import setting_text
from benchmark.record import Record
from benchmark.report.runs.collection import StoredRun
from benchmark.report.runs.grid import MethodRuns
from benchmark.report.runs.settings import flatten
from benchmark.report.runs.summary import heading
from benchmark.report.site.charts import Chart, chart
from benchmark.report.site.file_names import method_file, run_file, slug
from benchmark.report.site.scores import ScoredGrid, keys_text, score_key
from benchmark.scores import Score


@dataclass(frozen=True)
class Setting:
    """A setting of a method: its default, where that comes from, and what it does."""

    name: str
    default: str
    source: str = ""
    description: str = ""


@dataclass(frozen=True)
class MethodDescription:
    """What a page says of a method before its results."""

    name: str
    kind: str
    installed: bool
    settings: tuple[Setting, ...]
    summary: str = ""
    family: str = ""
    stores: str = ""
    needs: tuple[str, ...] = ()
    reference: str = ""
    text: str = ""


@dataclass(frozen=True)
class RunRow:
    """A run: its page, and its gain, forgetting and BWT in %; no scores of a failed one."""

    sequence: str
    seed: int
    file: str
    failed: str
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Section:
    """The runs of one configuration in one grid, and the commands of those it lacks."""

    title: str
    label: str
    anchor: str
    baseline: str
    runs: tuple[RunRow, ...]
    missing: str
    commands: tuple[str, ...]
    charts: tuple[Chart, ...]


def methods_content(methods: Mapping[MethodDescription, int]) -> dict[str, Any]:
    """The values of the page of all methods, given the number of runs of each."""
    rows = [(method, method_file(method.name), runs) for method, runs in methods.items()]
    return {"page": "methods", "title": "Methods", "methods": rows}


def method_content(method: MethodDescription, grids: Sequence[ScoredGrid]) -> dict[str, Any]:
    """The values of the page of one method."""
    return {"page": "methods", "title": method.name, "method": method,
            "sections": [_section(scored, runs) for scored in grids
                         for runs in scored.grid.methods if runs.name == method.name]}


def methods_of(runs: Iterable[StoredRun]) -> dict[MethodDescription, int]:
    """Every method of `runs` by name, and how many of them are its own."""
    from benchmark.registry import method_names

    records: dict[str, list[Record]] = {}
    for run in runs:
        records.setdefault(run.record.method.name, []).append(run.record)
    installed = method_names()
    return {_method_info(name, own, name in installed): len(own)
            for name, own in sorted(records.items())}


def _method_info(name: str, records: Sequence[Record], installed: bool) -> MethodDescription:
    """What the class of an installed method says; of others, the settings in their `records`."""
    from benchmark.registry import find_method

    kind = records[0].method.kind
    if not installed or any(record.config.get("plug_in") for record in records):
        used: dict[str, set[str]] = {}
        for record in records:
            for key, value in flatten(record.method.config).items():
                used.setdefault(key, set()).add(setting_text(value))
        return MethodDescription(name, kind, False, tuple(
            Setting(key, ", ".join(sorted(values))) for key, values in used.items()))
    method = find_method(name)
    settings = tuple(Setting(key, setting_text(field.default), _source(field.json_schema_extra),
                             (field.description or "").rpartition(" [")[0])
                     for key, field in method.Config.model_fields.items())
    return MethodDescription(name, kind, True, settings, method.summary, method.family,
                             method.stores, tuple(method.needs), method.reference,
                             inspect.getdoc(method) or "")


def _source(extra: Any) -> str:
    return str(extra.get("source", "")) if isinstance(extra, dict) else ""


def _section(scored: ScoredGrid, method: MethodRuns) -> Section:
    """Gains are over the first baseline that was run."""
    grid, baseline = scored.grid, next(iter(scored.baselines), "")
    missing = grid.missing(method)
    return Section(grid.title, method.label, slug(f"{grid.title} {method.label}"), baseline,
                   tuple(_run_rows(scored, method, baseline)), keys_text(missing),
                   tuple(grid.command(method.name, key, method) for key in missing),
                   tuple(each for each in _charts(scored, method, baseline) if each))


def _run_rows(scored: ScoredGrid, method: MethodRuns, baseline: str) -> list[RunRow]:
    unpaired = Score(None, f"no {baseline or 'baseline'} run of the same sequence and seed")
    rows = []
    for key in scored.grid.keys:
        if run := method.all_runs.get(key):
            own = scored.runs[method.label][key] if key in method.runs else {}
            scores = (own.get(score_key("delta", baseline), unpaired), own["forgetting"],
                      own["bwt"]) if own else ()
            rows.append(RunRow(*key, run_file(run.record.run_id),
                               run.record.reason if run.record.status == "failed" else "", scores))
    return rows


def _charts(scored: ScoredGrid, method: MethodRuns, baseline: str) -> list[Chart | None]:
    """Gains after each phase, then primary metrics from the task's own phase on, by run."""
    label = method.label
    charts = []
    if gains := scored.gain_curves(label, baseline):
        charts.append(chart(heading(f"Δ vs {baseline}", "%", True), gains,
                            scored.gain_curve(label, baseline), "%"))
    for column in scored.metrics:
        curves = [curve.values for matrix in scored.matrices[label].values()
                  for curve in matrix.primary if f"{curve.task}/{curve.metric}" == column.key]
        charts.append(chart(heading(column.title, column.unit, column.higher_is_better), curves,
                            unit=column.unit))
    return charts
