"""Every score of the runs of a grid under one convention, against every baseline that was run.

Leaderboards, method pages and run pages are selections of the frame that is computed here once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from itertools import groupby

from benchmark.record import Record
from benchmark.report.runs.grid import BASELINES, Grid, RunKey
from benchmark.report.runs.scoring import GridScores, References, ScoreColumn, score_columns
from benchmark.report.runs.summary import Estimate, over_orders
from benchmark.report.tables.columns import choose_columns
from benchmark.report.tables.table import Column
from benchmark.scores import Matrix, Score, Value, delta

OWN = ("metrics", "forgetting", "bwt")
"""Scores of a run by itself."""
GAINS = ("delta", "worst")
"""Scores of a run against a baseline."""
COSTS = ("carried", "exemplars", "parameters_added", "train")

RunScores = dict[str, Score]
"""The scores of one run: by `task/metric`, key of `OWN` or `COSTS`, or `score_key`."""


class ScoredGrid:
    """The scores of a grid's runs and their means over orders of means over seeds."""

    def __init__(self, grid: Grid, convention: str = "pixel") -> None:
        scores = GridScores(grid, convention, extra=_gain_columns(len(grid.record.tasks)))
        self.grid, self.convention = grid, convention
        self.matrices, self.errors = scores.matrices, scores.errors
        self.baselines = [name for name in BASELINES if scores.reference(name)]
        self.frame = scores.frame(self._keys())

    @property
    def metrics(self) -> list[Column]:
        """The primary metric of every task."""
        return primary_metrics(self.grid.record)

    @cached_property
    def means(self) -> dict[tuple[str, str], Estimate]:
        """By label and score; none where no run has the score. Gains have an interval."""
        with_interval = {score_key("delta", name) for name in self.baselines}
        return {(str(label), str(key)): over_orders(part, with_interval=key in with_interval)
                for (label, key), part in self.frame.groupby(["label", "score"], sort=False)}

    @cached_property
    def runs(self) -> dict[str, dict[RunKey, RunScores]]:
        """By label and key of the run."""
        found: dict[str, dict[RunKey, RunScores]] = {}
        rows = (self.frame[name].tolist() for name in self.frame)
        for label, sequence, seed, key, value, reason in zip(*rows, strict=True):
            scores = found.setdefault(label, {}).setdefault((sequence, seed), {})
            scores[key] = Score(None if math.isnan(value) else value, reason)
        return found

    def gain_curve(self, label: str, baseline: str) -> list[Value]:
        """The mean gain of a method after each phase; empty where no run has one."""
        means = [self.means.get((label, key)) for key in self._phase_keys(baseline)]
        return [each.mean for each in means if each]

    def gain_curves(self, label: str, baseline: str) -> list[list[Value]]:
        """The gain after each phase of every run of a method that has one."""
        keys = self._phase_keys(baseline)
        return [[scores[key].value for key in keys]
                for scores in self.runs.get(label, {}).values() if keys[0] in scores]

    def _keys(self) -> Iterator[str]:
        for column in choose_columns((*OWN, *COSTS), self.grid.record, BASELINES[0]):
            yield column.key
        for baseline in self.baselines:
            yield from (score_key(key, baseline) for key in GAINS)
            yield from self._phase_keys(baseline)

    def _phase_keys(self, baseline: str) -> list[str]:
        return [_phase_key(baseline, phase)
                for phase in range(1, len(self.grid.record.tasks) + 1)]


def score_key(key: str, baseline: str) -> str:
    """The score of the frame that the column `key` shows: gains are kept by baseline."""
    return f"{key}_{baseline}" if key in GAINS else key


def primary_metrics(record: Record) -> list[Column]:
    """The primary metric of every task of a record, in the order of its tasks."""
    return choose_columns(["metrics"], record, BASELINES[0])


def keys_text(keys: Sequence[RunKey]) -> str:
    """Runs in words: `rooms_s1 seeds 0, 1; rooms_s2 seed 3`."""
    parts = []
    for sequence, group in groupby(keys, key=lambda key: key[0]):
        seeds = [str(seed) for _, seed in group]
        parts.append(f"{sequence} seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}")
    return "; ".join(parts)


def _gain_columns(phases: int) -> dict[str, ScoreColumn]:
    """The worst task and Delta after each phase, against every baseline."""
    columns = {score_key("worst", name): score_columns(name)["worst"] for name in BASELINES}
    for name in BASELINES:
        for phase in range(1, phases + 1):
            columns[_phase_key(name, phase)] = ScoreColumn(
                f"Δ vs {name} after phase {phase}", "%", True,
                partial(_gain_after, name, phase), needs=(name,))
    return columns


def _phase_key(baseline: str, phase: int) -> str:
    return f"delta_{baseline}_{phase}"


def _gain_after(baseline: str, phase: int, own: Matrix, references: References,
                record: Record) -> Score:
    return delta(own, references[baseline], phase)
