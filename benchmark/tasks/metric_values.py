"""The metrics of any task, and the values of its statistics under any convention."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.convention import Convention
from benchmark.tasks.metric import NOT_FINITE, Metric, Statistic, Statistics, Values
from benchmark.tasks.registry import find_kind, kind_names
from benchmark.tasks.task import Task


class NamedTask(Protocol):
    """What scoring needs of a task: a `Task`, or the `TaskInfo` of a record."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...


def metrics_of(task: Task) -> tuple[Metric, ...]:
    """The metrics of `task`, the primary one among them, in the order tables show them."""
    return find_kind(task.kind).metrics.metrics(task)


def statistics_of(task: Task) -> tuple[Statistic, ...]:
    """The statistics evaluation has to count for every image of `task`."""
    return find_kind(task.kind).metrics.statistics(task)


def metric_title(name: str) -> str:
    """What tables and plots call a metric: `mIoU` for `miou`; its name where no kind says more."""
    return _titles(tuple(kind_names())).get(name, name)


@cache
def _titles(kinds: tuple[str, ...]) -> dict[str, str]:
    return {name: title for kind in kinds
            for name, title in find_kind(kind).metrics.titles.items()}


def check(task: Task, statistics: Statistics) -> None:
    """Raise `ValueError` unless `statistics` holds exactly what `task` needs, [N, ...] each;
    `NOT_FINITE` may be among them."""
    expected = {statistic.name: statistic for statistic in statistics_of(task)}
    if NOT_FINITE.name in statistics:
        expected[NOT_FINITE.name] = NOT_FINITE
    if set(statistics) != set(expected):
        raise ValueError(f"{task.kind} task '{task.name}' needs statistics {sorted(expected)}, "
                         f"not {sorted(statistics)}")
    images = _images(task, statistics)
    for name, statistic in expected.items():
        array = statistics[name]
        if array.shape != (images, *statistic.shape) or array.dtype != statistic.dtype:
            raise ValueError(f"task '{task.name}': statistic '{name}' is {array.dtype} "
                             f"{list(array.shape)}, not {statistic.dtype} "
                             f"{[images, *statistic.shape]}")


def values_of(task: NamedTask, statistics: Statistics,
              convention: str = "pixel") -> dict[str, float]:
    """Every metric of `task` from its statistics per image, [N, ...] each.

    Float sums are exactly rounded, so the values of the `pixel` convention do not depend on the
    order of the images, on batches or on processes. Under `image` and `batch:N`, groups in which
    a metric is undefined are left out of its mean. nan marks a metric that is undefined
    everywhere or infinite, and every metric where a valid pixel has no finite prediction. Raises
    `RequestError` for an unknown convention and `ValueError` when statistics are missing, of the
    wrong shape, or differ in their number of images.
    """
    chosen = Convention.parse(convention)
    metrics = find_kind(task.kind).metrics
    images = _images(task, statistics)
    pooled = chosen.kind == "batch" and metrics.pooled_in_batches
    size = images if pooled else {"pixel": images, "image": 1}.get(chosen.kind, chosen.size)
    sums = {name: _grouped(array, size) for name, array in statistics.items()}
    try:
        values = metrics.values(sums)
    except KeyError as error:
        raise ValueError(f"task '{task.name}': its statistics lack {error}") from None
    except (IndexError, ValueError):
        raise ValueError(f"task '{task.name}': its statistics have unexpected shapes") from None
    if not_finite(statistics):
        return dict.fromkeys(values, math.nan)
    return {name: _mean(each) for name, each in values.items()}


def not_finite(statistics: Statistics) -> int:
    """How many valid pixels of the evaluation split have a prediction that is infinite or NaN."""
    return int(statistics[NOT_FINITE.name].sum()) if NOT_FINITE.name in statistics else 0


def why_undefined(statistics: Mapping[tuple[int, str], Statistics]) -> str:
    """Which tasks of a run, by (phase, task), have predictions that are not finite; may be empty.

    It is the `reason` of the record of a run that is complete.
    """
    found = [f"{task} after phase {phase}" for (phase, task), each in sorted(statistics.items())
             if not_finite(each)]
    return f"undefined, predictions are not finite: {', '.join(found)}" if found else ""


def _images(task: NamedTask, statistics: Statistics) -> int:
    counts = {array.shape[0] if array.ndim else -1 for array in statistics.values()}
    if len(counts) != 1 or -1 in counts:
        raise ValueError(f"task '{task.name}': statistics differ in their number of images")
    return int(counts.pop())


def _grouped(array: NDArray[Any], size: int) -> NDArray[Any]:
    """Sums over consecutive groups of `size` images, [N, ...] -> [G, ...]; G is at least 1."""
    if len(array) == 0:
        return np.zeros((1, *array.shape[1:]), dtype=array.dtype)
    starts = np.arange(0, len(array), size)
    if array.dtype.kind == "f":
        return np.array([_exact_sum(part) for part in np.split(array, starts[1:])])
    return np.add.reduceat(array.astype(np.int64), starts, axis=0)


def _exact_sum(values: NDArray[Any]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # beyond the largest float, or inf - inf
        return math.inf


def _mean(values: Values) -> float:
    known = values[~np.isnan(values)]
    mean = _exact_sum(known) / len(known) if len(known) else math.nan
    return mean if math.isfinite(mean) else math.nan
