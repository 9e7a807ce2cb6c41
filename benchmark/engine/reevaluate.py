"""A trained run measured again: on its own evaluation images, or on another data set's."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmark import PROTOCOL_VERSION
from benchmark.config.family import find_sequence, shipped_sequences
from benchmark.config.overrides import override
from benchmark.data.sources.source import DataPaths, find_source, source_config
from benchmark.data.store.files import Store
from benchmark.data.store.held_out import HeldOutStore
from benchmark.data.store.intact import require_intact
from benchmark.engine.environment import installed
from benchmark.engine.evaluate import Evaluator
from benchmark.engine.request import RunRequest
from benchmark.engine.results import Values, values_after
from benchmark.engine.trained import TrainedNetwork
from benchmark.errors import RequestError
from benchmark.record import Record
from benchmark.tasks import Task

_MUST_AGREE = ("kind", "channels", "encoding")
_WHERE_SAID = ("unit", "classes")
"""Of a task: what both must say alike when both say it."""


@dataclass(frozen=True)
class Difference:
    """A value that is not the stored one."""

    task: str
    metric: str
    stored: float | None
    found: float | None

    def __str__(self) -> str:
        by = ("" if self.stored is None or self.found is None
              else f" ({self.found - self.stored:+.3g})")
        return f"{self.task} {self.metric} is {self.found}, the record has {self.stored}{by}"


def evaluation_store(record: Record, data_paths: DataPaths, sequence: str | None = None,
                     settings: Sequence[str] = ()) -> Store:
    """The data set of a record, or of another sequence; `settings` are `dataset.KEY=VALUE`.

    Raises `RequestError` for an unknown sequence or option, `DataError` for data that are missing
    or damaged.
    """
    if sequence is None:
        content, held_out = record.config["dataset"], record.config.get("held_out", 0.0)
        where, family = f"the record of {record.run_id}", _family_folder(record)
    else:
        found = find_sequence(sequence)
        content, held_out = found.family.dataset, 0.0
        where, family = str(found.file), found.file.parent
    whole = {"dataset": copy.deepcopy(content)}
    override(whole, settings, "--set", closed=True)
    config = source_config(whole["dataset"], f"{where} with --set" if settings else where)
    store = find_source(config.name).open_store(config, replace(data_paths, family=family))
    require_intact(store, data_paths.cache)
    return HeldOutStore(store, held_out) if held_out else store


def _family_folder(record: Record) -> Path:
    """The folder in which relative paths of the record's data set start."""
    for sequence in shipped_sequences():
        if sequence.name == record.sequence:
            return sequence.file.parent
    return Path(RunRequest.of_record(record).sequence.partition(".yaml")[0]).parent


def evaluated_tasks(trained: TrainedNetwork, store: Store,
                    names: Sequence[str] | None = None) -> list[Task]:
    """The tasks of the run, or those of `names`, which the store has labels of.

    Raises `RequestError` for a task that it has not, or that is another under the same name.
    """
    chosen = trained.chosen(names)
    for task in chosen:
        other = store.tasks.get(task.name)
        if other is None:
            raise RequestError(f"{store.folder} has no labels of '{task.name}'; it has "
                               f"{', '.join(store.tasks)}: choose among them with --tasks")
        for key in (*_MUST_AGREE, *_WHERE_SAID):
            learnt, given = getattr(task, key), getattr(other, key)
            if learnt != given and (key in _MUST_AGREE or (learnt and given)):
                raise RequestError(f"'{task.name}' was learnt with {key} {_plain(learnt)}, in "
                                   f"{store.folder} it has {_plain(given)}: not the same task; "
                                   "leave it out with --tasks")
    return chosen


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def measure(trained: TrainedNetwork, store: Store, tasks: Sequence[Task]) -> Values:
    """The metrics of tasks on the evaluation images of a store; None where undefined.

    On the CPU with as many threads as the run had, so that sums are made in the same order.
    """
    last = len(trained.record.tasks)
    with _threads_of(trained):
        found = Evaluator(store, trained.device).statistics(trained.method, trained.network, tasks)
    return values_after(last, tasks, {(last, name): fields for name, fields in found.items()})


def measure_again(trained: TrainedNetwork, data_paths: DataPaths) -> Values:
    """The metrics of all tasks on the run's own data set. Raises `RequestError` when the data are
    not those that the run saw."""
    record = trained.record
    store = evaluation_store(record, data_paths)
    require_same_data(record, store)
    return measure(trained, store, evaluated_tasks(trained, store))


def require_same_data(record: Record, store: Store) -> None:
    """Raise `RequestError` unless the store holds the data that a run was trained on."""
    if store.fingerprint != record.dataset.fingerprint:
        raise RequestError(f"the data set is not the one {record.run_id} was trained on: its "
                           f"fingerprint is {store.fingerprint}, the record has "
                           f"{record.dataset.fingerprint}; put the run's files back, or evaluate "
                           "on it as another data set with --sequence")


def values_that_differ(record: Record, values: Values) -> list[Difference]:
    """The values that are not those of the last column of the record's matrix."""
    return [Difference(task, metric, stored, value)
            for task, metrics in values.items() for metric, value in metrics.items()
            if (stored := record.matrix[task].get(metric, [None])[-1]) != value]


def machine_differences(record: Record, device: torch.device) -> list[str]:
    """What differs from the machine and the software of the run and may change last digits."""
    environment = record.environment
    pairs: list[tuple[str, Any, Any]] = [("protocol", record.protocol, PROTOCOL_VERSION),
                                         ("device", environment.get("device"), device.type)]
    if device.type == "cpu":
        pairs.append(("threads", environment.get("threads"), _threads(record)))
    pairs += [(name, version, installed(name))
              for name, version in environment.get("versions", {}).items()]
    return [f"{name} {now}, in the run {then}" for name, then, now in pairs if then != now]


def _threads(record: Record) -> int:
    """As many threads as the run had, but no more than there are processors."""
    wanted = record.environment.get("threads")
    return max(1, min(wanted, os.cpu_count() or 1)) if isinstance(wanted, int) else \
        torch.get_num_threads()


@contextmanager
def _threads_of(trained: TrainedNetwork) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(_threads(trained.record))
    try:
        yield
    finally:
        torch.set_num_threads(before)
