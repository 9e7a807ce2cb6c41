"""Means over runs with what they rest on, and the digits they are shown with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark.record import MetricInfo, TaskInfo
from benchmark.statistics import Interval, interval, mean_of_means, strata
from benchmark.tasks.metric_values import metric_title

if TYPE_CHECKING:
    import pandas as pd

MISSING = "—"
"""What stands where there is no number."""


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` of `of` runs and how they vary; without a mean, the reason."""

    mean: float | None
    std: float | None = None
    """Sample standard deviation, where the runs differ by seed only."""
    interval: Interval | None = None
    """95 % bootstrap interval, seeds drawn anew within each order."""
    n: int = 0
    of: int = 0
    reason: str = ""


def over_seeds(scores: pd.DataFrame, of: int = 0) -> Estimate:
    """Mean and sample standard deviation of the `value`s of runs that differ by seed.

    A mean hides no run: one undefined value leaves it undefined, for the first `reason` there is.
    """
    if undefined := _undefined(scores):
        return undefined
    values = scores["value"].tolist()
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    std = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None
    return Estimate(mean, std, n=len(values), of=of)


def over_orders(scores: pd.DataFrame, of: int = 0, with_interval: bool = True) -> Estimate:
    """Mean over orders of the mean over seeds, with its bootstrap interval; else as `over_seeds`.

    `scores` has a `sequence`, `seed` and `value` of each run. Drawing the interval takes most of
    the time, so it can be left out.
    """
    if undefined := _undefined(scores):
        return undefined
    keys = zip(scores["sequence"], scores["seed"], strict=True)
    values = strata(dict(zip(keys, scores["value"], strict=True)))
    return Estimate(mean_of_means(values), interval=interval(values) if with_interval else None,
                    n=len(scores), of=of)


def means_by(scores: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """`over_orders` of every group of `scores` by the columns `keys`: a row of `keys`, `mean`,
    `low` and `high` each, the ends of the interval equal to the mean where there is none.

    Groups whose mean is undefined are left out.
    """
    import pandas as pd

    rows = []
    for group, part in scores.groupby([*keys], sort=False):
        estimate = over_orders(part)
        if estimate.mean is not None:
            ends = estimate.interval or Interval(estimate.mean, estimate.mean)
            rows.append((*group, estimate.mean, ends.low, ends.high))
    return pd.DataFrame(rows, columns=[*keys, "mean", "low", "high"])


def _undefined(scores: pd.DataFrame) -> Estimate | None:
    missing = np.isnan(scores["value"].to_numpy())
    if missing.any():
        reasons = scores["reason"][missing] if "reason" in scores else [""]
        return Estimate(None, reason=str(next(iter(reasons))))
    return None if len(scores) else Estimate(None)


def decimals(largest: float, unit: str = "") -> int:
    """Decimals that show a number as large as `largest` with four digits; two of percentages."""
    if unit in ("%", "points"):
        return 2
    for limit, count in ((1000, 0), (100, 1), (10, 2), (1, 3), (0.1, 4), (0.01, 5)):
        if largest >= limit:
            return count
    return 6 if largest else 1


def number_text(value: float | None, digits: int) -> str:
    """`value` with `digits` decimals; a dash where there is none."""
    if value is None:
        return MISSING
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 turns -0.0 into 0.0


def heading(name: str, unit: str, higher_is_better: bool | None) -> str:
    """`name (unit) ↑`: the arrow points to the better values."""
    arrow = {True: " ↑", False: " ↓", None: ""}[higher_is_better]
    return f"{name} ({unit}){arrow}" if unit else f"{name}{arrow}"


def metric_heading(task: TaskInfo, metric: MetricInfo) -> str:
    """`depth abs error (m) ↓`."""
    return heading(f"{task.name} {metric_title(metric.name)}", metric.unit,
                   metric.higher_is_better)


def count_text(number: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
