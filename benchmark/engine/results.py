"""From the statistics of the phases that are done to values, and to the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from benchmark import PROTOCOL_VERSION
from benchmark.data.store.files import Store
from benchmark.engine.plan import Plan
from benchmark.record import (
    Cost,
    DatasetInfo,
    MethodInfo,
    MetricInfo,
    PhaseInfo,
    Record,
    Statistics,
    TaskInfo,
)
from benchmark.tasks import Task
from benchmark.tasks.metric_values import metrics_of, values_of

Values = dict[str, dict[str, float | None]]
"""Task -> metric -> value; None where it is undefined."""
StatisticsByPhase = Mapping[tuple[int, str], Statistics]
"""(phase counted from 1, task) -> statistics."""


def values_after(phase: int, tasks: Sequence[Task], statistics: StatisticsByPhase) -> Values:
    """The values of all tasks that were evaluated after a phase."""
    return {task.name: _finite(values_of(task, statistics[phase, task.name]))
            for task in tasks if (phase, task.name) in statistics}


def make_record(plan: Plan, store: Store, folder: Path, environment: dict[str, Any],
                status: Literal["complete", "failed"], reason: str = "",
                statistics: StatisticsByPhase | None = None, phases: Sequence[PhaseInfo] = (),
                cost: Cost | None = None) -> Record:
    """The record of a run in `folder`, as far as it came."""
    config = plan.config
    tasks = [store.task(name) for name in config.tasks]
    columns = [values_after(column, tasks, statistics or {})
               for column in range(1, len(tasks) + 1)]
    infos = [TaskInfo(name=task.name, kind=task.kind, metrics=tuple(
        MetricInfo(name=metric.name, unit=metric.unit, primary=metric.primary,
                   higher_is_better=metric.higher_is_better, formula=metric.formula)
        for metric in metrics_of(task))) for task in tasks]
    matrix = {info.name: {metric.name: tuple(
        column.get(info.name, {}).get(metric.name) for column in columns)
        for metric in info.metrics} for info in infos}
    return Record(
        protocol=PROTOCOL_VERSION, run_id=folder.name, status=status, reason=reason,
        method=MethodInfo(name=config.method, config=config.method_config,
                          kind=plan.method.kind),
        sequence=config.sequence,
        dataset=DatasetInfo(name=config.dataset["name"], fingerprint=store.fingerprint,
                            train_images=store.count("train"), eval_images=store.count("eval")),
        seed=config.seed, tasks=tuple(infos), matrix=matrix, phases=tuple(phases), cost=cost,
        config=config.canonical(), environment=environment)


def statistics_state(statistics: StatisticsByPhase) -> dict[str, dict[str, torch.Tensor]]:
    """Statistics as part of a run's state, keyed `<phase>/<task>`."""
    return {f"{phase}/{task}": {name: torch.from_numpy(array) for name, array in fields.items()}
            for (phase, task), fields in statistics.items()}


def statistics_from_state(state: dict[str, dict[str, torch.Tensor]],
                          ) -> dict[tuple[int, str], Statistics]:
    """The inverse of `statistics_state`."""
    found: dict[tuple[int, str], Statistics] = {}
    for key, fields in state.items():
        phase, _, task = key.partition("/")
        found[int(phase), task] = {name: tensor.cpu().numpy() for name, tensor in fields.items()}
    return found


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    return {name: None if value != value else value for name, value in values.items()}
