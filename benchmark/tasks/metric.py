"""What a metric is, what it is derived from, and what a task kind has to define."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.tasks.task import Task

Statistics = Mapping[str, NDArray[Any]]
"""Sufficient statistics by name; the leading axis counts images, or groups of images."""

Values = NDArray[np.float64]
"""One value per group, [G]: nan where undefined, inf where a prediction was not finite."""


@dataclass(frozen=True)
class Metric:
    """A metric of a task; `formula` is the heading that defines it in docs/metrics.md."""

    name: str
    unit: str
    higher_is_better: bool
    primary: bool
    formula: str


@dataclass(frozen=True)
class Statistic:
    """A sum over the valid pixels of one image, stacked to [N, *shape] over images."""

    name: str
    dtype: Literal["int64", "float64"]
    meaning: str
    shape: tuple[int, ...] = ()


NOT_FINITE = Statistic("not_finite", "int64", "valid pixels whose prediction is infinite or NaN")
"""Evaluation adds it to the statistics of any kind where there is such a pixel, and only there; it
leaves every metric of the task undefined, under every convention."""


class Recorded(Protocol):
    """What a record tells of a task."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def metrics(self) -> Sequence[RecordedMetric]: ...


class RecordedMetric(Protocol):
    """What a record tells of a metric."""

    @property
    def unit(self) -> str: ...

    @property
    def primary(self) -> bool: ...

    @property
    def formula(self) -> str: ...


class KindMetrics(ABC):
    """The metrics of one task kind and the statistics they are derived from."""

    pooled_in_batches: ClassVar[bool] = False
    """Whether the `batch` convention leaves the kind's metrics as one sum over all images."""
    titles: ClassVar[Mapping[str, str]] = {}
    """What tables and plots call a metric, by its name, where that differs."""

    @abstractmethod
    def metrics(self, task: Task) -> tuple[Metric, ...]:
        """The metrics of `task`; exactly one is primary."""

    @abstractmethod
    def statistics(self, task: Task) -> tuple[Statistic, ...]:
        """The statistics every image of `task` leaves."""

    @abstractmethod
    def values(self, sums: Statistics) -> dict[str, Values]:
        """Derive every metric from statistics summed within groups, [G, ...] -> [G]."""

    def recorded_task(self, recorded: Recorded, channels: int | None,
                      statistics: Statistics) -> Task:
        """The task of a record as far as its metrics and statistics depend on it.

        `channels` are those of every task of the kind, None where tasks differ. Raises
        `ValueError` when the record's task is none of the kind.
        """
        unit = next(metric.unit for metric in recorded.metrics if metric.primary)
        return Task(name=recorded.name, kind=recorded.kind, channels=channels or 1, unit=unit)

    def group_counts(self, sums: Statistics) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Pixels predicted and pixels truly of each group (`KindSpec.group_names`), [groups] each,
        from statistics summed over images; None where statistics cannot tell."""
        return None

    def remark(self, sums: Statistics) -> str:
        """What has to be said of the metrics, from statistics summed over images; may be empty."""
        return ""


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Values:
    """Elementwise quotient: nan over zero, since a mean over no pixels is undefined.

    A numerator that is nan stems from a prediction that was not finite. It becomes infinite:
    a mean over images passes over undefined images, and must not pass over diverged ones.
    """
    top = np.asarray(numerator, dtype=np.float64)
    bottom = np.asarray(denominator, dtype=np.float64)
    top, bottom = np.broadcast_arrays(np.where(np.isnan(top), np.inf, top), bottom)
    quotient: Values = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=quotient, where=bottom != 0)
    return quotient
