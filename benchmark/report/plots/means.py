"""Means over the runs of a grid with their intervals, and what a reader is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from benchmark.errors import RequestError
from benchmark.report.runs.collection import Collection
from benchmark.report.runs.grid import BASELINES, Grid, RunKey, family_of, grids_of, order_number
from benchmark.report.runs.groups import matching
from benchmark.report.runs.lines import MethodRuns
from benchmark.report.runs.settings import written
from benchmark.scores import Score
from benchmark.statistics import interval, mean_of_means, strata

REFERENCE = BASELINES[0]
"""The method that gains are measured against unless another is asked for."""


@dataclass(frozen=True)
class Mean:
    """A mean over seeds, then over orders, and its 95 % bootstrap interval over seeds.

    Without two seeds in some order there is no interval: `low` and `high` equal `value`.
    """

    value: float
    low: float
    high: float


def mean_of(values: Mapping[RunKey, float]) -> Mean | None:
    """The mean of values by (sequence, seed); None without any."""
    if not values:
        return None
    by_order = strata(values)
    value, found = mean_of_means(by_order), interval(by_order)
    return Mean(value, found.low if found else value, found.high if found else value)


def mean_score(scores: Mapping[RunKey, Score]) -> Mean | None:
    """`mean_of` scores; None as soon as one is undefined, since a mean hides no run."""
    known = {at: score.value for at, score in scores.items() if score.value is not None}
    return mean_of(known) if len(known) == len(scores) else None


def by_sequence(collection: Collection, sequences: Sequence[str] | None = None) -> list[Grid]:
    """Grids of one sequence each. Raises `RequestError` for a pattern that no run matches."""
    found = matching(collection, sequences)
    names = {each.record.sequence: family_of(each.record) for each in found}
    return [grid for name in sorted(names, key=lambda name: (names[name], order_number(name)))
            for grid in grids_of(Collection(
                tuple(each for each in collection.complete if each.record.sequence == name),
                tuple(each for each in collection.failed if each.record.sequence == name)))]


def deltas(grid: Grid, baseline: str) -> dict[str, Mean]:
    """Mean Delta^T over the baseline by label, lifelong methods first; undefined ones left out.

    Raises `RequestError` when there is no run of the baseline, and when nothing is defined.
    """
    means = {line.label: mean_score(grid.deltas(line, baseline)) for line in grid.lines}
    defined = {label: mean for label, mean in means.items() if mean}
    if not defined:
        raise undefined(grid, baseline)
    return defined


def undefined(grid: Grid, baseline: str) -> RequestError:
    """The refusal of a grid in which no method has a gain over `baseline`."""
    return RequestError(f"{title_of(grid)}: no gain over {baseline} is defined; it takes finished "
                        f"runs of {baseline} and values that are not near 0")


def best_first(grid: Grid) -> list[str]:
    """Labels of lifelong methods with runs, best first as `by_what` says."""
    gains = _gains(grid)
    labels = [line.label for line in grid.lines if line.runs and not line.bound]
    return sorted(labels, key=lambda label: -gains[label].value if label in gains else inf)


def by_what(grid: Grid) -> str:
    """How methods are ordered: by gains where there are runs of finetune, else by name."""
    return f"by mean Δ over {REFERENCE}" if _gains(grid) else "by name"


def _gains(grid: Grid) -> dict[str, Mean]:
    try:
        return deltas(grid, REFERENCE)
    except RequestError:
        return {}


def title_of(grid: Grid) -> str:
    """The sequence of a grid that has one only, else its family; and what sets it apart."""
    if len(grid.sequences) > 1:
        return grid.title
    variant = f" ({written(grid.variant)})" if grid.variant else ""
    return grid.sequences[0] + variant


def name_of(grid: Grid, line: MethodRuns[RunKey]) -> str:
    """The label of a line, with the number of its runs when some are missing."""
    if not grid.missing(line):
        return line.label
    return f"{line.label} [{len(line.runs)} of {len(grid.cells)} runs]"


def over_runs(grid: Grid, marks: str) -> str:
    """`Means over 3 seeds of 6 orders; bars: ...`, where `marks` are what shows intervals."""
    seeds, orders = len(grid.seeds), len(grid.sequences)
    which = f"{seeds} seed{'s' * (seeds > 1)}" + (f" of {orders} orders" if orders > 1 else "")
    if seeds == 1:
        return f"{'Means over ' if orders > 1 else ''}{which}: how runs vary is not known."
    return (f"Means over {which}; {marks}: 95 % bootstrap intervals over seeds"
            f"{', orders kept' if orders > 1 else ''}.")
