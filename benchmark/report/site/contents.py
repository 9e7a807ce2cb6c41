"""What stands on every page: the values its template shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.report.runs.collection import StoredRun
from benchmark.report.runs.settings import written
from benchmark.report.site import run_page
from benchmark.report.site.about import about
from benchmark.report.site.captions import caption
from benchmark.report.site.leaderboard import Board, Scored
from benchmark.report.site.method_page import section
from benchmark.report.site.run_page import Place
from benchmark.report.site.slugs import slug
from benchmark.scores import Matrix

Content = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """One of several leaderboards to choose from."""

    title: str
    file: str
    current: bool


def method_file(name: str) -> str:
    """Where the page of a method is, below the site's folder."""
    return f"methods/{slug(name)}.html"


def run_file(run_id: str) -> str:
    """Where the page of a run is, below the site's folder."""
    return f"runs/{slug(run_id)}.html"


def of_board(board: Board, boards: Mapping[str, Board]) -> Content:
    """A leaderboard, and the ways to the others of the site."""
    return {"page": "index", "title": f"{board.grid.title}: leaderboard", "board": board,
            "caption": caption(board), "choices": {
                "family": _choices(board, boards, lambda each: each.grid.title),
                "baseline": _choices(board, boards, lambda each: each.baseline),
                "convention": _choices(board, boards, lambda each: each.convention)}}


def of_methods(methods: Mapping[str, list[StoredRun]]) -> Content:
    """All methods with runs."""
    rows = [(about(name, [each.record for each in found]), method_file(name), len(found))
            for name, found in methods.items()]
    return {"page": "methods", "title": "Methods", "methods": rows}


def of_runs(runs: Sequence[StoredRun], places: Mapping[str, Place]) -> Content:
    """All runs, failed ones too."""
    rows = []
    for found in runs:
        record, place = found.record, places.get(found.record.run_id)
        rows.append({"record": record, "file": run_file(record.run_id),
                     "method_file": method_file(record.method.name),
                     "settings": written(place.line.settings) if place else "",
                     "seconds": sum(phase.train_seconds for phase in record.phases)})
    return {"page": "runs", "title": "Runs", "runs": rows}


def of_method(name: str, runs: Sequence[StoredRun], scored: Sequence[Scored]) -> Content:
    """A method: what it is, and its runs in every grid."""
    return {"page": "methods", "title": name,
            "about": about(name, [found.record for found in runs]),
            "sections": [section(each, line) for each in scored for line in each.grid.lines
                         if line.method == name]}


def of_run(found: StoredRun, place: Place | None, panels: Sequence[tuple[str, str]]) -> Content:
    """A run: matrix, scores, costs, configuration, environment."""
    record = found.record
    scores = {} if record.status == "failed" else run_page.scores(
        Matrix.of(record), run_page.references(place) if place else {})
    return {"page": "runs", "title": record.run_id, "record": record,
            "settings": written(place.line.settings) if place else "",
            "method_file": method_file(record.method.name),
            "json_file": f"{slug(record.run_id)}.json",
            "labels": run_page.phase_labels(record), "matrix": run_page.matrix_rows(record),
            "scores": scores, "charts_": run_page.charts(record), "panels": panels,
            "commands": run_page.commands(found, place),
            "method_config": run_page.facts(record.method.config),
            "config": run_page.facts({key: value for key, value in record.config.items()
                                      if key != "method_config"}),
            "environment": run_page.facts(record.environment), "mib": run_page.mib}


def _choices(board: Board, boards: Mapping[str, Board],
             of: Callable[[Board], str]) -> list[Choice]:
    """For every value of `of`, the leaderboard that differs from `board` in as little else."""
    best: dict[str, tuple[int, str]] = {}
    for file, each in boards.items():
        differing = sum((each.grid.title != board.grid.title, each.baseline != board.baseline,
                         each.convention != board.convention))
        if of(each) not in best or differing < best[of(each)][0]:
            best[of(each)] = differing, file
    return [Choice(title, file, title == of(board)) for title, (_, file) in best.items()]


