"""Is one method better than another? Paired runs of a grid, and what they show."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from benchmark.errors import RequestError, unknown
from benchmark.report.runs.collection import RunCollection
from benchmark.report.runs.grid import Grid, MethodRuns, RunKey, grids_of
from benchmark.report.runs.scoring import GridScores
from benchmark.report.tables.names import METRIC_NAMES
from benchmark.statistics import (
    ALPHA,
    Interval,
    Wilcoxon,
    holm,
    interval,
    mean_of_means,
    probability_of_improvement,
    strata,
    wilcoxon,
)
from benchmark.tasks.convention import Convention

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["better", "worse", "undecided", "equal", "not comparable"]


@dataclass(frozen=True)
class Measure:
    """What is compared: Delta against `baseline`, or the final value of one metric."""

    metric: str = "delta"
    """`delta` or `task/metric`."""
    baseline: str = "finetune"
    convention: str = "pixel"

    def values(self, grid: Grid) -> dict[str, pd.DataFrame]:
        """By label, `value` and `reason` of every run, indexed by sequence and seed; better when
        higher: a metric such as an error is negated.

        Raises `RequestError` for a metric that `grid` lacks, for a baseline without runs, and for
        runs that cannot be scored under the convention.
        """
        sign = 1 if self.metric == "delta" or self._described(grid)[2] else -1
        if self.metric == "delta":
            grid.baseline(self.baseline)
        scores = GridScores(grid, self.convention, self.baseline)
        for error in scores.errors.values():
            raise error
        frame = scores.frame([self.metric])
        frame["value"] *= sign
        return {str(label): part.set_index(["sequence", "seed"])[["value", "reason"]]
                for label, part in frame.groupby("label")}

    def name(self, grid: Grid) -> str:
        """As a reader calls it: `Δ vs finetune`, `depth abs error`."""
        if self.metric == "delta":
            return f"Δ vs {self.baseline}"
        task, metric = self._described(grid)[:2]
        return f"{task} {METRIC_NAMES.get(metric, metric)}"

    def unit(self, grid: Grid) -> str:
        """The unit of a difference; differences of percentages are in points."""
        unit = "%" if self.metric == "delta" else self._described(grid)[3]
        return "points" if unit == "%" else unit

    def needs(self, grid: Grid) -> list[MethodRuns]:
        """Methods without whose runs there is no value."""
        return [grid.baseline(self.baseline)] if self.metric == "delta" else []

    def _described(self, grid: Grid) -> tuple[str, str, bool, str]:
        """Task, metric, whether higher is better, unit."""
        known = {f"{task.name}/{metric.name}": (task.name, metric.name, metric.higher_is_better,
                                                metric.unit)
                 for task in grid.record.tasks for metric in task.metrics}
        if self.metric not in known:
            raise unknown("metric", self.metric, ["delta", *known])
        return known[self.metric]


@dataclass(frozen=True)
class MissingRun:
    """A run without which a pair is not complete, and the command that makes it."""

    label: str
    key: RunKey
    command: str
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """One method against another over the paired runs of a grid; positive is better.

    What needs a pair (`mean` and all below it) must not be asked of a comparison without any.
    """

    grid: str
    method: str
    other: str
    quantity: str
    """What is compared, such as `Δ vs finetune`."""
    unit: str
    differences: dict[RunKey, float]
    """Value of `method` minus value of `other` at the same (order, seed)."""
    undefined: dict[RunKey, str]
    """Why a pair of runs has no difference."""
    missing: tuple[MissingRun, ...]
    p: float | None = None
    """Of the signed-rank test, after Holm over `tests` comparisons; None without a pair."""
    tests: int = 1

    @property
    def orders(self) -> list[str]:
        return list(dict.fromkeys(order for order, _ in self.differences))

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for _, seed in self.differences})

    @property
    def mean(self) -> float:
        """The mean over orders of the mean over seeds."""
        return mean_of_means(strata(self.differences))

    @cached_property
    def interval(self) -> Interval | None:
        """95 % bootstrap interval of `mean`; None when no order has two seeds."""
        return interval(strata(self.differences))

    @property
    def median(self) -> float:
        """The median paired difference."""
        return statistics.median(self.differences.values())

    @property
    def improvement(self) -> float:
        """The probability of improvement: the share of paired runs that are better."""
        return probability_of_improvement([*self.differences.values()])

    @cached_property
    def test(self) -> Wilcoxon:
        """The exact signed-rank test of this comparison alone."""
        return wilcoxon([*self.differences.values()])

    @property
    def verdict(self) -> Verdict:
        """Better or worse only where the test says so, and mean and most runs agree."""
        if self.p is None:
            return "not comparable"
        if not any(self.differences.values()):
            return "equal"
        if self.p <= ALPHA and self.mean * (self.improvement - 0.5) > 0:
            return "better" if self.mean > 0 else "worse"
        return "undecided"


def compare(collection: RunCollection, methods: Sequence[str], others: Sequence[str],
            sequences: Sequence[str] | None = None,
            measure: Measure | None = None) -> tuple[list[Comparison], list[str]]:
    """Each of `methods` against each of `others`, grid by grid, and notes on what is left out.

    Methods are labels such as `had` or `had (weight=6)`, or globs. The p values are adjusted for
    all comparisons together (Holm). Raises `RequestError` for names that match nothing, and when
    no grid holds runs of both sides.
    """
    measure = measure or Measure()
    measure = replace(measure, convention=str(Convention.parse(measure.convention)))
    grids = grids_of(collection, sequences)
    for pattern in (*methods, *others):
        if not any(_named(grid, [pattern]) for grid in grids):
            raise unknown("method with runs", pattern,
                          [method.label for grid in grids for method in grid.methods])
    found: list[Comparison] = []
    notes: list[str] = []
    for grid in grids:
        try:
            found += _compared(grid, methods, others, measure)
        except RequestError as error:
            notes.append(f"{grid.title}: {error}" if grid.title not in str(error) else str(error))
    if not found:
        raise RequestError("; ".join(dict.fromkeys(notes)) or
                           f"no runs of {' or '.join(methods)} lie beside runs of "
                           f"{' or '.join(others)} under one recipe; lhlbench table shows what "
                           "there is")
    return _adjusted(found), notes


def split_names(text: str) -> list[str]:
    """Names between commas; a comma inside brackets belongs to a label's settings."""
    return [name.strip() for name in re.split(r",(?![^(]*\))", text) if name.strip()]


def _named(grid: Grid, names: Sequence[str]) -> list[MethodRuns]:
    """The methods that one of `names` means: a label as it stands, else a glob of labels."""
    labels = [method.label for method in grid.methods]
    return [method for method in grid.methods if any(
        method.label == name or (name not in labels and fnmatchcase(method.label, name))
        for name in names)]


def _compared(grid: Grid, methods: Sequence[str], others: Sequence[str],
              measure: Measure) -> Iterator[Comparison]:
    pairs: dict[frozenset[str], tuple[MethodRuns, MethodRuns]] = {}
    for other in _named(grid, others):
        for method in _named(grid, methods):
            if method is not other:  # each pair only one way round
                pairs.setdefault(frozenset((method.label, other.label)), (method, other))
    if pairs:
        values = measure.values(grid)
        for method, other in pairs.values():
            yield _comparison(grid, method, other, values, measure)


def _comparison(grid: Grid, method: MethodRuns, other: MethodRuns,
                values: dict[str, pd.DataFrame], measure: Measure) -> Comparison:
    differences: dict[RunKey, float] = {}
    undefined: dict[RunKey, str] = {}
    if method.label in values and other.label in values:
        pairs = values[method.label].merge(values[other.label], left_index=True, right_index=True,
                                           suffixes=("", "_other"))
        gains = pairs["value"] - pairs["value_other"]
        missing = gains.isna()
        differences = dict(zip(pairs.index[~missing], gains[~missing].tolist(), strict=True))
        reasons = pairs["reason"].where(pairs["reason"] != "", pairs["reason_other"])
        undefined = dict(zip(pairs.index[missing], reasons[missing].tolist(), strict=True))
    return Comparison(grid.title, method.label, other.label, measure.name(grid),
                      measure.unit(grid), differences, undefined,
                      tuple(_missing(grid, method, other, measure.needs(grid))))


def _missing(grid: Grid, method: MethodRuns, other: MethodRuns,
             needed: Sequence[MethodRuns]) -> Iterator[MissingRun]:
    """Runs that pairs lack at every (sequence, seed) at which either of the two was started."""
    started = {*method.all_runs, *other.all_runs}
    methods = {each.label: each for each in (method, other, *needed)}
    for key in grid.keys:
        for label, each in methods.items():
            if key in started and key not in each.runs:
                failed = each.failed.get(key)
                yield MissingRun(label, key, grid.command(each.name, key, each),
                                 f"failed: {failed.record.reason}" if failed else "")


def _adjusted(found: Sequence[Comparison]) -> list[Comparison]:
    """With p values after Holm; a comparison without a pair is no test."""
    tested = [each for each in found if each.differences]
    ps = iter(holm([each.test.p for each in tested]))
    return [replace(each, p=next(ps) if each.differences else None, tests=len(tested))
            for each in found]
