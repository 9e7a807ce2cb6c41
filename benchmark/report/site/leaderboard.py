"""Leaderboards: the methods of one grid against one baseline, under one convention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.errors import RequestError
from benchmark.report.runs.grid import Grid, MethodRuns
from benchmark.report.runs.summary import count_text
from benchmark.report.site.charts import Sparkline, sparkline
from benchmark.report.site.scores import COSTS, OWN, ScoredGrid, score_key
from benchmark.report.tables.columns import (
    about_orders,
    about_scores,
    caption_of,
    choose_columns,
)
from benchmark.report.tables.table import Cell, Column, Row, marked
from benchmark.report.tables.text import column_decimals

COLUMNS = ("delta", *OWN, "worst", *COSTS)
DECIMALS = {"exemplars": 0, "parameters_added": 1}
"""Of columns that need fewer than they have in tables."""


@dataclass(frozen=True)
class Leaderboard:
    """Methods by their gain over a baseline: those with every run, others, and bounds."""

    grid: Grid
    baseline: str
    convention: str
    columns: tuple[Column, ...]
    decimals: dict[str, int]
    """By key of the column."""
    complete: tuple[Row, ...]
    incomplete: tuple[Row, ...]
    bounds: tuple[Row, ...]
    ranks: dict[str, int]
    """By label; empty unless two complete methods or more all have a gain."""
    sparklines: dict[str, Sparkline | None]
    """By label: the mean gain after each phase."""
    caption: tuple[str, ...]
    """How the numbers came about, in sentences."""


@dataclass(frozen=True)
class Choice:
    """A leaderboard that another one leads to."""

    title: str
    file: str
    current: bool


def leaderboard(scored: ScoredGrid, baseline: str) -> Leaderboard:
    """The leaderboard of a grid; without runs of the baseline it holds no gains and no ranks."""
    grid = scored.grid
    columns = tuple(choose_columns(COLUMNS, grid.record, baseline))
    unpaired = _without_baseline(grid, baseline)
    rows = [_row(scored, method, columns, baseline, unpaired) for method in grid.methods]
    lifelong = [row for row in rows if not row.bound]
    complete = [row for row in lifelong if not row.missing]
    ranks = _ranks(complete)
    if ranks:
        complete = marked(complete, columns)
    decimals = {column.key: column_decimals(rows, column) for column in columns} | DECIMALS
    return Leaderboard(
        grid, baseline, scored.convention, columns, decimals, tuple(sorted(complete, key=_order)),
        tuple(row for row in lifelong if row.missing),
        tuple(sorted((row for row in rows if row.bound), key=_order)), ranks,
        {row.label: sparkline(scored.gain_curve(row.label, baseline)) for row in rows},
        tuple(_caption(scored, baseline, columns, unpaired, len(lifelong), len(ranks))))


def leaderboard_choices(shown: Leaderboard,
                        leaderboards: Mapping[str, Leaderboard]) -> dict[str, list[Choice]]:
    """The ways from a leaderboard to the others, given by file: by family, baseline, convention."""
    return {"family": _choices(shown, leaderboards, lambda each: each.grid.title),
            "baseline": _choices(shown, leaderboards, lambda each: each.baseline),
            "convention": _choices(shown, leaderboards, lambda each: each.convention)}


def _choices(shown: Leaderboard, leaderboards: Mapping[str, Leaderboard],
             of: Callable[[Leaderboard], str]) -> list[Choice]:
    """For every value of `of`, the leaderboard that differs from `shown` in as little else."""
    nearest: dict[str, tuple[int, str]] = {}
    for file, each in leaderboards.items():
        differing = sum((each.grid.title != shown.grid.title, each.baseline != shown.baseline,
                         each.convention != shown.convention))
        if of(each) not in nearest or differing < nearest[of(each)][0]:
            nearest[of(each)] = differing, file
    return [Choice(title, file, title == of(shown)) for title, (_, file) in nearest.items()]


def _without_baseline(grid: Grid, baseline: str) -> str:
    """Why there is no gain over a baseline without runs; empty where it has some."""
    try:
        grid.baseline(baseline)
    except RequestError as error:
        return str(error)
    return ""


def _row(scored: ScoredGrid, method: MethodRuns, columns: Sequence[Column], baseline: str,
         unpaired: str) -> Row:
    runs = scored.matrices[method.label]
    reason = (unpaired or f"no {baseline} run of the same sequence and seed") if runs else \
        "no finished run"
    cells = {}
    for column in columns:
        mean = scored.means.get((method.label, score_key(column.key, baseline)))
        cells[column.key] = Cell.of_estimate(mean) if mean else Cell(None, reason=reason)
    return Row(method.label, method.name, dict(method.settings), method.bound, tuple(runs),
               tuple(scored.grid.missing(method)), cells)


def _ranks(complete: Sequence[Row]) -> dict[str, int]:
    gains = {row.label: gain for row in complete if (gain := row.cells["delta"].mean) is not None}
    if len(gains) < max(2, len(complete)):
        return {}
    places = sorted(gains.values(), reverse=True)
    return {label: 1 + places.index(gain) for label, gain in gains.items()}


def _order(row: Row) -> tuple[bool, float, str]:
    """By gain, methods without one last."""
    gain = row.cells["delta"].mean
    return gain is None, -(gain or 0.0), row.label


def _caption(scored: ScoredGrid, baseline: str, columns: Sequence[Column], unpaired: str,
             lifelong: int, ranked: int) -> list[str]:
    grid, convention = scored.grid, scored.convention
    sentences = [
        caption_of(grid, convention, about_orders(grid, spread=False), (), columns, whole=True),
        *about_scores((column.key for column in columns), baseline)]
    reference = grid.find_baseline(baseline)
    paired = len(scored.matrices[reference.label]) if reference else 0
    if unpaired:
        sentences.append(f"There is no gain to show: {unpaired}.")
    elif paired < len(grid.keys):
        sentences.append(f"{baseline} was run at {paired} of the {len(grid.keys)} pairs of order "
                         "and seed; Δ is over those.")
    sentences.append(
        f"Ranked by Δ: the {ranked} of {count_text(lifelong, 'lifelong method')} that have every "
        "run; bounds are not ranked." if ranked else
        "Nothing is ranked: fewer than two lifelong methods have every run and a gain of each.")
    return sentences
